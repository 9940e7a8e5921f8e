/* A small disk: preloaded into a gateway. The files below SMALL_DISK_DIR together may take as many bytes
 * as the file SMALL_DISK_SIZE says. statvfs reports the rest as free, and a write beyond it fails with ENOSPC. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static long long used;

static int count(const char *path, const struct stat *found, int kind, struct FTW *where) {
    used += kind == FTW_F ? found->st_blocks * 512LL : 0;
    return 0;
}

static long long left(void) {
    long long size = 0, taken;
    FILE *said = fopen(getenv("SMALL_DISK_SIZE"), "r");
    if (said) {
        if (fscanf(said, "%lld", &size) != 1) size = 0;
        fclose(said);
    }
    pthread_mutex_lock(&counting);
    used = 0;
    nftw(getenv("SMALL_DISK_DIR"), count, 8, FTW_PHYS);
    taken = used;
    pthread_mutex_unlock(&counting);
    return size > taken ? size - taken : 0;
}

static int is_below(const char *path) {
    const char *dir = getenv("SMALL_DISK_DIR");
    return dir && strncmp(path, dir, strlen(dir)) == 0;
}

static int is_too_much(int fd, size_t bytes) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path) && (long long)bytes > left();
}

static size_t sum(const struct iovec *parts, int n) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += parts[i].iov_len;
    return bytes;
}

#define LIMITED(name, bytes, params, args)                                   \
    ssize_t name params {                                                    \
        static ssize_t(*next) params;                                        \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);                \
        int before = errno;                                                  \
        if (is_too_much(fd, bytes)) { errno = ENOSPC; return -1; }           \
        errno = before;                                                      \
        return next args;                                                    \
    }

LIMITED(write, n, (int fd, const void *b, size_t n), (fd, b, n))
LIMITED(writev, sum(v, n), (int fd, const struct iovec *v, int n), (fd, v, n))
LIMITED(pwrite64, n, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))

int statvfs64(const char *path, struct statvfs64 *told) {
    static int (*next)(const char *, struct statvfs64 *);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "statvfs64");
    int failed = next(path, told);
    if (!failed && is_below(path)) {
        told->f_frsize = told->f_bsize = 4096;
        told->f_bfree = told->f_bavail = left() / 4096;
    }
    return failed;
}
