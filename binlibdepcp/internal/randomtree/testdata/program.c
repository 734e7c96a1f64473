// A program without a C library. It prints what the dynamic linker has loaded, and has
// every object of the test open what that object's dlopen notes name.
#include <elf.h>
#include <link.h>

#define MARK 0x6e73 // e_flags of the objects of this test

extern void *dlopen(const char *name, int flags) __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

static long call(long number, long a, long b, long c)
{
#ifdef __x86_64__
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
#else
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
#endif
}

#ifdef __x86_64__
#define WRITE 1
#define EXIT 231
__asm__(".globl _start\n_start: xor %ebp, %ebp\nand $-16, %rsp\ncall run\n");
#else
#define WRITE 4
#define EXIT 252
__asm__(".globl _start\n_start: xor %ebp, %ebp\nand $-16, %esp\ncall run\n");
#endif

static void print(const char *text)
{
	long n = 0;
	while (text[n])
		n++;
	call(WRITE, 1, (long)text, n);
	call(WRITE, 1, (long)"\n", 1);
}

#include "opens.c"

// first returns the head of the list. A filtee of the program comes before the program.
static struct link_map *first(void)
{
	struct link_map *m = 0;
	for (ElfW(Dyn) *d = _DYNAMIC; d->d_tag; d++)
		if (d->d_tag == DT_DEBUG)
			m = ((struct r_debug *)d->d_un.d_ptr)->r_map;
	while (m->l_prev)
		m = m->l_prev;
	return m;
}

static void print_all(void)
{
	for (struct link_map *m = first(); m; m = m->l_next)
		if (m->l_ld != _DYNAMIC)
			print(m->l_name);
	print("--");
}

__attribute__((used)) void run(void)
{
	print_all();
	if (!dlopen)
		call(EXIT, 0, 0, 0);
	open_all(dlopen);
	for (struct link_map *m = first(); m; m = m->l_next) {
		const ElfW(Ehdr) *head = (void *)m->l_addr;
		if (m->l_ld != _DYNAMIC && m->l_addr && head->e_flags == MARK)
			((void (*)(void *))(m->l_addr + head->e_entry))(dlopen);
	}
	print_all();
	call(EXIT, 0, 0, 0);
}
