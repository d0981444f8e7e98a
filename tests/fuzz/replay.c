// replay.c - gives every file of the folders named on the command line to a fuzzer's entry: seeds
// and what the fuzzers once found stay found, in every test run and without clang.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, PATH_SIZE = 4096 };

static int replay(const char *path)
{
    _fclose_ FILE *file = fopen(path, "rb");
    _free_ uint8_t *input = malloc(INPUT_MAX);
    if (file == NULL || input == NULL)
        return -1;
    size_t size = fread(input, 1, INPUT_MAX, file);
    // A block of its very size: what reads past the end is seen.
    _free_ uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return -1;
    memcpy(exact, input, size);
    LLVMFuzzerTestOneInput(exact, size);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        struct dirent *entry;
        while (folder != NULL && (entry = readdir(folder)) != NULL) {
            char path[PATH_SIZE];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (entry->d_name[0] != '.')
                replay(path) == 0 ? passed++ : failed++;
        }
        if (folder != NULL)
            closedir(folder);
    }
    printf("replay: %u passed, %u failed\n", passed, failed);
    return passed == 0 || failed > 0;
}
