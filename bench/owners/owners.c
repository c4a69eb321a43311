/* Whose memory is it? Preloaded into a server, this counts the bytes that each library, and the program
 * itself, has allocated and not yet freed. A block is that of the code which called the allocator; what a
 * library allocates on the program's behalf is the library's.
 *
 * The counts are written to the file that OWNERS_FILE names, four times a second: a line "bytes module" each,
 * the program as "program", pages that it mapped itself as "mapped". */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MODULES_MAX 256
#define ALIGN       16
#define PERIOD_NS   250000000

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);

struct module {
    uintptr_t from, to;
    char name[64];
    _Atomic int64_t bytes;
};

static struct module modules[MODULES_MAX]; /* [0]: nobody knows */
static int module_count = 1;
static _Atomic int64_t mapped;

/* In front of each block. */
struct header {
    uint32_t module;
    uint32_t before; /* bytes from the start of what was allocated to the block */
    uint64_t size;
};
static_assert(sizeof(struct header) == ALIGN, "blocks stay aligned");

/* ---- modules ---- */

static int see_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    const char *slash = strrchr(info->dlpi_name, '/');
    for (int i = 0; i < info->dlpi_phnum && module_count < MODULES_MAX; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
            continue;
        struct module *m = &modules[module_count++];
        m->from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        m->to = m->from + info->dlpi_phdr[i].p_memsz;
        snprintf(m->name, sizeof m->name, "%s",
            slash              ? slash + 1
            : *info->dlpi_name ? info->dlpi_name
                               : "program");
    }
    return 0;
}

static uint32_t module_of(const void *caller)
{
    for (int i = 1; i < module_count; i++)
        if ((uintptr_t)caller >= modules[i].from && (uintptr_t)caller < modules[i].to)
            return (uint32_t)i;
    return 0;
}

static void write_counts(const char *path)
{
    char text[MODULES_MAX * 96];
    size_t at = 0;
    for (int i = 0; i < module_count; i++) {
        int64_t bytes = atomic_load_explicit(&modules[i].bytes, memory_order_relaxed);
        if (bytes)
            at += (size_t)snprintf(
                text + at, sizeof text - at, "%lld %s\n", (long long)bytes, i ? modules[i].name : "unknown");
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "%lld mapped\n",
        (long long)atomic_load_explicit(&mapped, memory_order_relaxed));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, text, at) != (ssize_t)at)
        (void)ftruncate(fd, 0);
    close(fd);
}

static void *writer(void *path)
{
    const struct timespec period = {.tv_nsec = PERIOD_NS};
    for (;;) {
        nanosleep(&period, NULL);
        write_counts(path);
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    pthread_t t;
    char *path = getenv("OWNERS_FILE");
    dl_iterate_phdr(see_object, NULL);
    if (path && pthread_create(&t, NULL, writer, path) == 0)
        pthread_detach(t);
}

/* ---- blocks ---- */

static void *take(size_t align, size_t size, const void *caller)
{
    size_t before = align > ALIGN ? align : ALIGN;
    if (size > SIZE_MAX - 2 * before) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *raw = __libc_malloc(size + 2 * before);
    if (!raw)
        return NULL;
    uint8_t *p = (uint8_t *)(((uintptr_t)raw + before + before - 1) & ~(uintptr_t)(before - 1));
    if (p - raw < ALIGN)
        p += before;
    struct header *h = (struct header *)(void *)(p - sizeof *h);
    *h = (struct header){.module = module_of(caller), .before = (uint32_t)(p - raw), .size = size};
    atomic_fetch_add_explicit(&modules[h->module].bytes, (int64_t)size, memory_order_relaxed);
    return p;
}

static struct header *header_of(void *p)
{
    return (struct header *)(void *)((uint8_t *)p - sizeof(struct header));
}

void *malloc(size_t size)
{
    return take(ALIGN, size, __builtin_return_address(0));
}

void *calloc(size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = take(ALIGN, all, __builtin_return_address(0));
    return p ? memset(p, 0, all) : NULL;
}

void free(void *p)
{
    if (!p)
        return;
    struct header *h = header_of(p);
    atomic_fetch_sub_explicit(&modules[h->module].bytes, (int64_t)h->size, memory_order_relaxed);
    __libc_free((uint8_t *)p - h->before);
}

void *realloc(void *p, size_t size)
{
    void *grown = take(ALIGN, size, __builtin_return_address(0));
    if (!grown || !p)
        return grown;
    size_t old = header_of(p)->size;
    memcpy(grown, p, old < size ? old : size);
    free(p);
    return grown;
}

void *aligned_alloc(size_t align, size_t size)
{
    return take(align, size, __builtin_return_address(0));
}

void *memalign(size_t align, size_t size)
{
    return take(align, size, __builtin_return_address(0));
}

int posix_memalign(void **ret, size_t align, size_t size)
{
    void *p = take(align, size, __builtin_return_address(0));
    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}

size_t malloc_usable_size(void *p)
{
    return p ? header_of(p)->size : 0;
}

/* Pages that the program maps for itself; the C library's own calls do not come this way. */
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
    void *p = (void *)syscall(SYS_mmap, at, len, prot, flags, fd, off);
    if (p != MAP_FAILED && fd < 0)
        atomic_fetch_add_explicit(&mapped, (int64_t)len, memory_order_relaxed);
    return p;
}

int munmap(void *p, size_t len)
{
    int r = (int)syscall(SYS_munmap, p, len);
    if (r == 0)
        atomic_fetch_sub_explicit(&mapped, (int64_t)len, memory_order_relaxed);
    return r;
}
