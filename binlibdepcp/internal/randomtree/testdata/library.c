// A library without a C library. Its entry point opens what its dlopen notes name.
#include "opens.c"

void entry(void *(*open)(const char *, int))
{
	open_all(open);
	__asm__ volatile(""); // no tail call
}
