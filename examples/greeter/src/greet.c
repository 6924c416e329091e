#include "greet.h"

#include <stdio.h>
#include <string.h>

struct phrase {
	const char *language;
	const char *hello;
	const char *world;
};

static const struct phrase phrases[] = {
	{"de", "Hallo", "Welt"},
	{"en", "Hello", "world"},
	{"fr", "Bonjour", "tout le monde"},
};

int greet(char *text, size_t size, const char *language, const char *name)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
		const struct phrase *phrase = &phrases[i];

		if (strcmp(phrase->language, language) != 0)
			continue;
		if (*name == '\0')
			name = phrase->world;
		int length = snprintf(text, size, "%s, %s!", phrase->hello, name);
		return length >= 0 && (size_t)length < size ? 0 : -1;
	}
	return -1;
}
