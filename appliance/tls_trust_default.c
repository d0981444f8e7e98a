// tls_trust_default.c - where this system keeps its authorities.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"
#include "tls_trust_priv.h"

// The usual bundles, with the folder that belongs to each.
static const struct {
    const char *file, *folder;
} places[] = {
    {"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs"},                    // Debian, Alpine
    {"/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/tls/certs"},                  // Fedora
    {"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs"}, // ... since 42
    {"/etc/ssl/ca-bundle.pem", "/etc/ssl/certs"},                                // SUSE
    {"/etc/ssl/cert.pem", "/etc/ssl/certs"},                                     // others
};

// The bundle in the archive: of a process, as its executable is. Empty: there is none.
static char archived[PATH_MAX];
static pthread_once_t found = PTHREAD_ONCE_INIT;

static void find_archived(void)
{
    const char *prefix = mount_prefix();
    if (prefix != NULL)
        snprintf(archived, sizeof archived, "%slib/ca-roots.pem", prefix);
}

void tls_trust_paths(struct tls_trust_paths *out)
{
    *out = (struct tls_trust_paths){.file_variable = "SSL_CERT_FILE",
                                    .folder_variable = "SSL_CERT_DIR",
                                    .folder = places[0].folder};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i].file, R_OK) == 0) {
            out->file = places[i].file;
            out->folder = places[i].folder;
            return;
        }
    pthread_once(&found, find_archived);
    out->file = archived;
}

// Folders may be several, with colons between them.
static int add_folders(struct tls_trust **trust, const char *list, struct tls_fault *fault)
{
    char folder[PATH_MAX];
    for (size_t size; *list != '\0'; list += size + (list[size] == ':')) {
        size = strcspn(list, ":");
        if (size == 0 || size >= sizeof folder)
            continue;
        memcpy(folder, list, size);
        folder[size] = '\0';
        if (tls_trust_add_folder(trust, folder, fault) < 0)
            return -1;
    }
    return 0;
}

int tls_trust_add_default(struct tls_trust **trust, struct tls_fault *fault)
{
    struct tls_trust_paths paths;
    struct tls_fault passed_over = {.kind = TLS_FAULT_NONE};
    tls_trust_paths(&paths);
    const char *file = getenv(paths.file_variable), *folder = getenv(paths.folder_variable);
    if (tls_trust_add_file(trust, file != NULL ? file : paths.file, &passed_over) < 0 &&
        passed_over.kind == TLS_FAULT_MEMORY)
        return tls_fault_memory(fault);
    return add_folders(trust, folder != NULL ? folder : paths.folder, fault);
}
