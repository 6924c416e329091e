#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* Writes the greeting of `name` in `language` (ISO 639-1) into `text`; an empty name means the
 * world. Returns 0, or -1 where the language is not known or the greeting does not fit. */
int greet(char *text, size_t size, const char *language, const char *name);

#endif
