/* A disk that fails: preloaded into a test's child process. Once the file FAILING_DISK_TRIGGER
 * exists, calls on files below FAILING_DISK_DIR fail; FAILING_DISK_MODE names the failing calls,
 * "sync" (EIO) or "write" (ENOSPC). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(int fd, const char *mode) {
    const char *trigger = getenv("FAILING_DISK_TRIGGER"), *dir = getenv("FAILING_DISK_DIR");
    const char *wanted = getenv("FAILING_DISK_MODE");
    char link[64], path[PATH_MAX];
    if (!trigger || !dir || !wanted || strcmp(wanted, mode) || access(trigger, F_OK)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, dir, strlen(dir)) == 0;
}

#define FORWARD(mode, error, type, name, fd, params, args)                   \
    type name params {                                                       \
        static type(*next) params;                                           \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);                \
        int before = errno;                                                  \
        if (fails(fd, mode)) { errno = error; return -1; }                   \
        errno = before;                                                      \
        return next args;                                                    \
    }

FORWARD("sync", EIO, int, fsync, fd, (int fd), (fd))
FORWARD("sync", EIO, int, fdatasync, fd, (int fd), (fd))
FORWARD("write", ENOSPC, ssize_t, write, fd, (int fd, const void *b, size_t n), (fd, b, n))
FORWARD("write", ENOSPC, ssize_t, writev, fd, (int fd, const struct iovec *v, int n), (fd, v, n))
FORWARD("write", ENOSPC, ssize_t, pwrite, fd, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
FORWARD("write", ENOSPC, ssize_t, pwrite64, fd, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
