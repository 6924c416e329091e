#include "greet.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	char text[256];

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: greet LANGUAGE [NAME]\n");
		return 2;
	}
	if (greet(text, sizeof text, argv[1], argc == 3 ? argv[2] : "") != 0) {
		fprintf(stderr, "greet: no greeting in '%s'\n", argv[1]);
		return 1;
	}
	return puts(text) < 0;
}
