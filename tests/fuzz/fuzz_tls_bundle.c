// fuzz_tls_bundle.c - any bytes as a bundle of certificates and keys: what is taken for one is one,
// byte for byte, and its slices lie within it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cleanup.h"
#include "tls_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_material material;
    struct err err = {.kind = ERR_NONE};
    if (tls_bundle_read(&material, data, size, &err) < 0) {
        must(err.kind == ERR_FAILED && err.text[0] != '\0' && material.identities == NULL);
        return 0;
    }
    _free_ struct tls_identity *identities = material.identities;
    must(tls_bundle_size(&material) == size);
    _free_ unsigned char *again = malloc(size);
    must(again != NULL);
    tls_bundle_write(&material, again);
    must(memcmp(again, data, size) == 0);
    return 0;
}
