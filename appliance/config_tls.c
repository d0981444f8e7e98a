// config_tls.c - settings of HTTPS that mean nothing alone, or contradict each other.
#include "config_tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "config_blame.h"
#include "config_option.h"
#include "config_set.h"
#include "listener_address.h"

enum { SHOWN = 200 }; // bytes of an address in a message

// --- what listeners there are ---

struct listeners {
    bool tls;      // one at least, or it may be
    bool verifies; // one of these asks clients for a certificate
    // The index of a --listen that says so; -1: none.
    int says_tls, says_verify;
};

static void look_at(struct listeners *out, const struct config *config, int index,
                    const struct listener_address *address)
{
    // A socket of systemd's may be of any sort.
    bool is_unix = !address->systemd && address->path != NULL;
    bool has_certificate = config->tls_certificate.count > 0;
    int verify =
        address->says_verify ? (int)address->client_verify : config->tls_client_verify.index;
    bool tls = listener_address_kind(address, is_unix, has_certificate) == LISTENER_TLS;
    out->tls = out->tls || tls;
    out->verifies = out->verifies || (tls && verify != CLIENT_VERIFY_OFF);
    if (address->says_kind && address->kind == LISTENER_TLS)
        out->says_tls = index;
    if (address->says_verify && address->client_verify != CLIENT_VERIFY_OFF)
        out->says_verify = index;
}

static int look_at_all(struct listeners *out, const struct config *config, struct err *err)
{
    const struct config_list *list = &config->listen;
    struct listener_address address = {.host = config->host, .path = config->uds};
    *out = (struct listeners){.says_tls = -1, .says_verify = -1};
    if (list->count == 0)
        look_at(out, config, -1, &address);
    for (size_t i = 0; i < list->count; i++) {
        if (listener_address_parse(&address, list->items[i], err) < 0)
            return -1;
        look_at(out, config, (int)i, &address);
        listener_address_fini(&address);
    }
    return 0;
}

// --- what needs what ---

static bool is_given(const struct config *config, enum config_option_id id)
{
    const struct config_option *option = &config_options[id];
    const char *text = config->settings[id].text;
    if (option->kind == KIND_LIST) {
        const struct config_list *list = (const void *)((const char *)config + option->offset);
        return list->count > 0;
    }
    if (option->kind == KIND_STRING)
        return text != NULL;
    if (option->kind == KIND_FLAG)
        return strcmp(text, "true") == 0;
    if (option->kind == KIND_CHOICE)
        return strcmp(text, option->standard) != 0;
    return *(const int64_t *)(const void *)((const char *)config + option->offset) != 0;
}

static int refuse(const struct config *config, enum config_option_id id, const char *needs,
                  enum config_option_id other, struct err *err)
{
    enum config_source source = config->settings[id].source;
    char name[CONFIG_NAME_MAX], missing[CONFIG_NAME_MAX];
    config_blame_name(config, id, source, name);
    config_blame_name(config, other, source, missing);
    err_set(err, ERR_USAGE, "%s %s %s, which is not given (give it, or leave %s out)", name, needs,
            missing, name);
    return config_blame(config, source, err);
}

// One of the --listen, by index.
static int refuse_listen(const struct config *config, int index, enum config_option_id other,
                         const char *way_out, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_listen].source;
    char name[CONFIG_NAME_MAX], missing[CONFIG_NAME_MAX];
    config_blame_name(config, CONFIG_OPTION_listen, source, name);
    config_blame_name(config, other, source, missing);
    err_set(err, ERR_USAGE, "%s %.*s needs %s, which is not given (give it, or %s)", name, SHOWN,
            config->listen.items[index], missing, way_out);
    return config_blame(config, source, err);
}

static int check_certificate(const struct config *config, const struct listeners *listeners,
                             struct err *err)
{
    static const enum config_option_id dependent[] = {
        CONFIG_OPTION_tls_key,   CONFIG_OPTION_tls_key_password_file,
        CONFIG_OPTION_tls_ocsp,  CONFIG_OPTION_tls_client_ca,
        CONFIG_OPTION_tls_crl,   CONFIG_OPTION_tls_client_verify,
        CONFIG_OPTION_tls_watch, CONFIG_OPTION_redirect_https,
        CONFIG_OPTION_hsts,
    };
    if (config->tls_certificate.count > 0)
        return 0;
    for (size_t i = 0; i < sizeof dependent / sizeof dependent[0]; i++) {
        if (is_given(config, dependent[i]))
            return refuse(config, dependent[i], "needs", CONFIG_OPTION_tls_certificate, err);
    }
    if (listeners->says_tls >= 0)
        return refuse_listen(config, listeners->says_tls, CONFIG_OPTION_tls_certificate,
                             "leave \",tls\" out", err);
    if (listeners->says_verify >= 0)
        return refuse_listen(config, listeners->says_verify, CONFIG_OPTION_tls_certificate,
                             "leave client-verify= out", err);
    return 0;
}

static int refuse_unused_certificate(const struct config *config, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_tls_certificate].source;
    char name[CONFIG_NAME_MAX];
    config_blame_name(config, CONFIG_OPTION_tls_certificate, source, name);
    err_set(
        err, ERR_USAGE,
        "%s is given, but no listener speaks TLS (add one, as --listen 0.0.0.0:443, or \",tls\" "
        "to one that there is)",
        name);
    return config_blame(config, source, err);
}

static int refuse_unasked(const struct config *config, enum config_option_id id, struct err *err)
{
    enum config_source source = config->settings[id].source;
    char name[CONFIG_NAME_MAX], verify[CONFIG_NAME_MAX];
    config_blame_name(config, id, source, name);
    config_blame_name(config, CONFIG_OPTION_tls_client_verify, source, verify);
    err_set(err, ERR_USAGE,
            "%s is given, but no listener asks clients for a certificate (set %s to require or "
            "optional, or leave %s out)",
            name, verify, name);
    return config_blame(config, source, err);
}

static int check_verification(const struct config *config, const struct listeners *listeners,
                              struct err *err)
{
    bool has_ca = config->tls_client_ca.count > 0;
    if (!has_ca && is_given(config, CONFIG_OPTION_tls_client_verify))
        return refuse(config, CONFIG_OPTION_tls_client_verify, "needs", CONFIG_OPTION_tls_client_ca,
                      err);
    if (!has_ca && listeners->says_verify >= 0)
        return refuse_listen(config, listeners->says_verify, CONFIG_OPTION_tls_client_ca,
                             "leave client-verify= out", err);
    if (listeners->verifies)
        return 0;
    if (has_ca)
        return refuse_unasked(config, CONFIG_OPTION_tls_client_ca, err);
    if (config->tls_crl.count > 0)
        return refuse_unasked(config, CONFIG_OPTION_tls_crl, err);
    return 0;
}

// --- values ---

static int check_password(const struct config *config, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_tls_key_password_file].source;
    char file[CONFIG_NAME_MAX], variable[CONFIG_NAME_MAX];
    if (config->tls_key_password == NULL || config->tls_key_password_file == NULL)
        return 0;
    config_blame_name(config, CONFIG_OPTION_tls_key_password_file, source, file);
    config_blame_name(config, CONFIG_OPTION_tls_key_password, CONFIG_ENVIRONMENT, variable);
    return err_set(err, ERR_USAGE, "%s and %s exclude each other (leave one of them out)", file,
                   variable);
}

static int check_hsts(const struct config *config, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_hsts].source;
    char name[CONFIG_NAME_MAX];
    if (config->hsts == 0 || config->hsts >= 1000)
        return 0;
    config_blame_name(config, CONFIG_OPTION_hsts, source, name);
    err_set(err, ERR_USAGE, "%s %" PRId64 "ms: whole seconds are told, choose 1s at least", name,
            config->hsts);
    return config_blame(config, source, err);
}

static int refuse_webroot(const struct config *config, int errnum, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_acme_webroot].source;
    char name[CONFIG_NAME_MAX];
    config_blame_name(config, CONFIG_OPTION_acme_webroot, source, name);
    err_set(err, ERR_USAGE, "%s %.*s: %s (create the folder, or give that of certbot's -w)", name,
            SHOWN, config->acme_webroot, strerror(errnum));
    return config_blame(config, source, err);
}

static int settle_webroot(struct config *config, struct err *err)
{
    const struct config_option *option = &config_options[CONFIG_OPTION_acme_webroot];
    struct config_setting *setting = &config->settings[CONFIG_OPTION_acme_webroot];
    struct stat status;
    if (stat(config->acme_webroot, &status) < 0)
        return refuse_webroot(config, errno, err);
    if (!S_ISDIR(status.st_mode))
        return refuse_webroot(config, ENOTDIR, err);
    if (config->acme_webroot[0] == '/')
        return 0;
    _free_ char *here = getcwd(NULL, 0), *path = NULL;
    if (here == NULL)
        return refuse_webroot(config, errno, err);
    must(asprintf(&path, "%s/%s", here, config->acme_webroot) >= 0);
    return config_set(config, option, setting->source, path, err);
}

int config_settle_tls(struct config *config, struct err *err)
{
    struct listeners listeners;
    if (look_at_all(&listeners, config, err) < 0)
        return -1;
    if (config->acme_webroot != NULL && config->redirect_https == 0)
        return refuse(config, CONFIG_OPTION_acme_webroot, "is served by the port of",
                      CONFIG_OPTION_redirect_https, err);
    if (check_certificate(config, &listeners, err) < 0)
        return -1;
    if (config->tls_certificate.count > 0 && !listeners.tls)
        return refuse_unused_certificate(config, err);
    if (check_verification(config, &listeners, err) < 0 || check_password(config, err) < 0 ||
        check_hsts(config, err) < 0)
        return -1;
    return config->acme_webroot != NULL ? settle_webroot(config, err) : 0;
}
