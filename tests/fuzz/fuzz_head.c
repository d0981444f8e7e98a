// fuzz_head.c - any bytes as response heads: one after the other in the same memory, with what is
// taken checked against RFC 9110 section 5 in other words than head.c's. A newline ends a part; the
// first part of a head is its reason, then names and values take turns; an empty name begins the
// next head. A byte 0x01 stands for a newline in a part.
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "check.h"
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    char *data;
    size_t size;
};

static struct str next_part(struct input *rest)
{
    struct str part = {rest->data, 0};
    for (; part.size < rest->size && rest->data[part.size] != '\n'; part.size++) {
        if (rest->data[part.size] == 1)
            rest->data[part.size] = '\n';
    }
    size_t used = part.size + (part.size < rest->size);
    *rest = (struct input){rest->data + used, rest->size - used};
    return part;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return text.size > 0;
}

static bool name_is(struct str name, const char *other)
{
    return name.size == strlen(other) && strncasecmp(name.data, other, name.size) == 0;
}

// What was added is a line behind what was there, or the length.
static void check_added(const struct head *head, size_t before, struct str name, struct str value)
{
    must(is_token(name) && !has_control(value) && !name_is(name, "transfer-encoding"));
    if (name_is(name, "content-length")) {
        must(head->lines.size == before && head->content_length >= 0 && value.size > 0);
        return;
    }
    const char *line = head->lines.data + before;
    must(head->lines.size == before + name.size + value.size + 4 && head->lines.size <= HEAD_MAX);
    must(memcmp(line, name.data, name.size) == 0 && memcmp(line + name.size, ": ", 2) == 0);
    must(memcmp(line + name.size + 2, value.data, value.size) == 0);
    must(memcmp(line + name.size + 2 + value.size, "\r\n", 2) == 0);
}

static void check_refused(const struct head *head, enum head_fault fault, struct str name,
                          struct str value)
{
    bool fits = name.size + value.size + 4 <= HEAD_MAX - head->lines.size;
    must((fault == HEAD_TOO_LONG) == !fits);
    must(fault != HEAD_CONTROL_IN_NAME || has_control(name));
    must(fault != HEAD_NOT_A_TOKEN || (!is_token(name) && !has_control(name)));
    must(fault != HEAD_CONTROL_IN_VALUE || (is_token(name) && has_control(value)));
    must(fault != HEAD_LENGTH || name_is(name, "content-length"));
}

static void add_fields(struct head *head, struct input *rest)
{
    while (rest->size > 0) {
        struct str name = next_part(rest);
        if (name.size == 0)
            return;
        struct str value = next_part(rest);
        size_t before = head->lines.size;
        enum head_fault fault = head_add(head, name, value);
        if (fault == HEAD_FINE)
            check_added(head, before, name, value);
        else
            check_refused(head, fault, name, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    struct input rest = {text, size};
    struct head head;
    head_init(&head);
    while (rest.size > 0) {
        struct str reason = next_part(&rest);
        if (head_begin(&head, reason) == 0) {
            must(!has_control(reason) && head.reason_size == reason.size);
            must(head.content_length == -1 && !head.has_date);
            add_fields(&head, &rest);
        } else {
            must(has_control(reason) || reason.size > HEAD_MAX);
        }
    }
    head_fini(&head);
    free(text);
    return 0;
}
