/* Unit tests of greet(); the output is TAP, https://testanything.org. */
#include "../src/greet.h"

#include <stdio.h>
#include <string.h>

static int tests, failures;

static void check(const char *what, const char *expected, const char *actual)
{
	int good = strcmp(expected, actual) == 0;

	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	if (!good) {
		printf("# expected: %s\n#   actual: %s\n", expected, actual);
		failures++;
	}
}

static const char *greeting(size_t size, const char *language, const char *name)
{
	static char text[64];

	return greet(text, size, language, name) == 0 ? text : "(refused)";
}

int main(void)
{
	check("greets by name", "Hello, Ada!", greeting(64, "en", "Ada"));
	check("greets the world where no name is given", "Hello, world!", greeting(64, "en", ""));
	check("greets in German", "Hallo, Welt!", greeting(64, "de", ""));
	check("greets in French", "Bonjour, Ada!", greeting(64, "fr", "Ada"));
	check("refuses a language that it does not know", "(refused)", greeting(64, "xx", "Ada"));
	check("refuses a name that does not fit", "(refused)", greeting(11, "en", "Ada"));
	check("takes a name that just fits", "Hello, Ada!", greeting(12, "en", "Ada"));
	printf("1..%d\n", tests);
	return failures != 0;
}
