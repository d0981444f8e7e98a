// command_certificates.c - the part of "check" that looks at certificates, keys and all that
// belongs to them.
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "tls_load.h"

enum { DAY = 86400, DATE_SIZE = 32 }; // seconds, bytes

static void print_certificate(const struct tls_certificate_facts *facts, int64_t now)
{
    char date[DATE_SIZE] = "", left[DATE_SIZE] = "";
    struct tm tm;
    time_t end = facts->not_after;
    if (gmtime_r(&end, &tm) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
    int64_t days = (facts->not_after - now) / DAY;
    if (now != 0)
        snprintf(left, sizeof left, " (in %" PRId64 " day%s)", days, days == 1 ? "" : "s");
    printf("ok: certificate %s (%s), expires %s%s, %s\n",
           facts->names[0] != '\0' ? facts->names : "without a name", facts->kind, date, left,
           facts->file);
}

int command_check_certificates(const struct program *program, const struct config *config,
                               struct err *err)
{
    struct tls_loaded loaded;
    int64_t now = tls_load_clock();
    int result = tls_load(&loaded, config, now, err);
    command_print_warnings(program, &loaded.warnings);
    for (size_t i = 0; i < loaded.material.identity_count; i++)
        print_certificate(&loaded.facts[i], now);
    tls_loaded_fini(&loaded);
    fflush(stdout); // what comes next is done in a child
    return result;
}
