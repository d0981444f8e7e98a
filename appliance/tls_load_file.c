// tls_load_file.c - files into memory that is wiped when it is released, and PEM blocks out of
// them. Nothing here knows what is in a file.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>

#include "check.h"
#include "cleanup.h"
#include "tls_load_priv.h"

enum { MARK_SIZE = 64 }; // bytes of "-----BEGIN CERTIFICATE-----"

struct str tls_copy(const void *data, size_t size)
{
    char *copy = malloc(size + 1);
    must_have(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return (struct str){copy, size};
}

// Without a stdio buffer or a growing one: a key would stay behind in memory that is let go.
static int fill(struct tls_file *out, int fd, struct err *err)
{
    for (;;) {
        // One byte more than there should be, so that a file that grows is noticed.
        struct stat status;
        ssize_t count = read(fd, out->data + out->size, TLS_FILE_MAX + 1 - out->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return err_system(err, errno, "%s", out->path);
        out->size += (size_t)count;
        if (out->size > TLS_FILE_MAX)
            return err_set(err, ERR_FAILED, "%s: larger than 1M, no file of certificates or keys",
                           out->path);
        if (count == 0 && fstat(fd, &status) == 0)
            out->mode = status.st_mode;
        if (count == 0)
            break;
    }
    if (out->size == 0)
        return err_set(err, ERR_FAILED, "%s: the file is empty", out->path);
    return 0;
}

int tls_file_read(struct tls_file *out, const char *path, struct err *err)
{
    struct stat status;
    *out = (struct tls_file){.path = path};
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0)
        return err_system(err, errno, "%s", path);
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_FAILED, "%s: %s, and not a file", path,
                       S_ISDIR(status.st_mode) ? "a folder" : "a device or a pipe");
    out->data = calloc(1, TLS_FILE_MAX + 2);
    must_have(out->data != NULL);
    if (fill(out, fd, err) == 0)
        return 0;
    tls_file_fini(out);
    return -1;
}

void tls_file_fini(struct tls_file *file)
{
    if (file->data != NULL)
        mbedtls_platform_zeroize(file->data, file->size);
    free(file->data);
    *file = (struct tls_file){.path = file->path};
}

bool tls_file_contains(const struct tls_file *file, const char *text)
{
    return memmem(file->data, file->size, text, strlen(text)) != NULL;
}

int tls_file_each(const struct tls_file *file, const char *label,
                  int (*take)(void *owner, struct str der, int number, struct err *err),
                  void *owner, struct err *err)
{
    char begin[MARK_SIZE], end[MARK_SIZE];
    const unsigned char *at = file->data;
    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    snprintf(end, sizeof end, "-----END %s-----", label);
    for (int number = 0;; number++) {
        mbedtls_pem_context pem;
        size_t used = 0;
        // A block that is encrypted is none that anybody asks for.
        mbedtls_pem_init(&pem);
        int result = mbedtls_pem_read_buffer(&pem, begin, end, at, NULL, 0, &used);
        if (result == MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT) {
            if (strstr((const char *)at, begin) == NULL)
                return number;
            return err_set(err, ERR_FAILED, "%s: cut short: \"%s\" number %d has no \"%s\"",
                           file->path, begin, number + 1, end);
        }
        if (result != 0)
            return err_set(err, ERR_FAILED, "%s: \"%s\" number %d is damaged: no base64 in it",
                           file->path, begin, number + 1);
        size_t size;
        const unsigned char *der = mbedtls_pem_get_buffer(&pem, &size);
        result = take(owner, (struct str){(const char *)der, size}, number + 1, err);
        mbedtls_pem_free(&pem);
        if (result < 0)
            return -1;
        at += used;
    }
}
