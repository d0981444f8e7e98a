// fuzz_files_path.c - any bytes as a request target: what is fine leads nowhere but down, in other
// words than files_path.c's; and what is fine comes back when it is encoded and decoded again.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "files_mime.h"
#include "files_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// No segment is empty or begins with a '.', and there is no byte that could mean more than itself.
static void check_fine(struct str text)
{
    must(text.size > 0 && text.size <= FILES_PATH_MAX && text.data[0] == '/');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        must(c >= 0x20 && c != 0x7f && c != '\\' && c != 0xc0 && c != 0xc1 && c < 0xf5);
        must(c != '/' || i + 1 == text.size ||
             (text.data[i + 1] != '/' && text.data[i + 1] != '.'));
    }
}

static void check_again(const struct files_path *path)
{
    static struct files_path again;
    struct buf out = BUF_INIT(3 * FILES_PATH_MAX);
    must(files_path_encode(&out, (struct str){path->text, path->size}) == 0);
    files_path_decode(&again, buf_str(&out));
    must(again.kind == FILES_PATH_FINE && again.size == path->size);
    must(memcmp(again.text, path->text, path->size) == 0);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct files_path path;
    struct str target = {(const char *)data, size}, query, rest;
    struct str raw = files_path_split(target, &query);
    must(raw.size + query.size <= size && (raw.size == 0 || raw.data[0] == '/'));
    must(raw.size == 0 || memchr(raw.data, '?', raw.size) == NULL);
    must(query.size == 0 || query.data[0] == '?');
    files_path_decode(&path, raw);
    must(path.text[path.size] == '\0');
    struct str text = {path.text, path.size};
    must(files_path_strip(&path, STR(""), &rest) == (path.size == 0 || path.text[0] == '/'));
    must(files_path_name(text).size <= text.size);
    files_mime_is_fingerprinted(files_path_name(text));
    must(files_mime_of(files_path_name(text))->type.size > 0);
    if (path.kind == FILES_PATH_FINE) {
        check_fine(text);
        check_again(&path);
    }
    files_path_take(&path, target);
    if (path.kind == FILES_PATH_FINE)
        check_fine((struct str){path.text, path.size});
    return 0;
}
