// http_compress_stream.c - bodies that are coded as they come: from a source in the thread that
// runs it, slice by slice, so that what is gathered can leave between two of them; what an exchange
// pushes when it is pushed, or, where that is much, as the client takes it.
#include <stdlib.h>

#include "http_priv.h"

void http_coder_free(struct http_coder *coder)
{
    compressor_free(coder->compressor);
    buf_fini(&coder->pushed);
    *coder = (struct http_coder){.compressor = NULL};
}

static int put(struct answer *answer, struct str piece, bool flush, bool end)
{
    struct http_coder *coder = &answer->coder;
    if (coder->has_ended)
        return 0;
    coder->unflushed = flush || end ? 0 : coder->unflushed + piece.size;
    coder->has_ended = end;
    return compressor_put(coder->compressor, piece, flush, end, &answer->gathered);
}

// --- a source ---

// The latest piece, as far as it is announced; or that there is none.
static void take_piece(struct request *request)
{
    struct answer *answer = &request->answer;
    struct str piece = {"", 0};
    int more = answer->source.next(answer->owner, &piece);
    more = http_response_check(request, more, more == 1 ? piece.size : 0);
    int64_t surplus = answer->announced >= 0 ? answer->taken - answer->announced : -1;
    if (surplus > 0)
        piece.size -= (size_t)surplus < piece.size ? (size_t)surplus : piece.size;
    pthread_mutex_lock(&request->lock);
    answer->more = more;
    pthread_mutex_unlock(&request->lock);
    if (more == 1)
        answer->coder.rest = piece;
    answer->coder.is_full = surplus >= 0;
}

// With the lock. A slice of the piece, or the end. True: there may be more to gather.
static bool code_slice(struct answer *answer, bool gathers)
{
    struct http_coder *coder = &answer->coder;
    struct str slice = coder->rest;
    if (slice.size > CODER_SLICE)
        slice.size = CODER_SLICE;
    coder->rest.data += slice.size;
    coder->rest.size -= slice.size;
    bool is_last = coder->rest.size == 0;
    bool ends = is_last && (answer->more == 0 || (answer->more == 1 && coder->is_full));
    bool is_much = coder->unflushed + slice.size >= CODER_BATCH;
    bool leaves = is_much || (is_last && (!gathers || answer->flushed || answer->more < 0));
    if (put(answer, slice, leaves, ends) < 0)
        answer->more = -1;
    return !leaves && !ends && answer->more == 1;
}

bool http_coder_fetch(struct request *request, bool gathers)
{
    struct answer *answer = &request->answer;
    bool goes_on;
    if (answer->coder.rest.size == 0)
        take_piece(request);
    do {
        pthread_mutex_lock(&request->lock);
        goes_on = code_slice(answer, gathers);
        pthread_mutex_unlock(&request->lock);
    } while (goes_on && answer->coder.rest.size > 0);
    return goes_on;
}

void http_coder_flush(struct request *request)
{
    struct answer *answer = &request->answer;
    bool is_pushing = answer->coder.pushed.size > 0;
    if (answer->coder.compressor != NULL && !is_pushing && put(answer, STR(""), true, false) < 0)
        answer->more = -1;
}

// --- an exchange ---

// What is much is not coded while the event loop waits.
int http_coder_push(struct request *request, struct str piece)
{
    struct answer *answer = &request->answer;
    struct http_coder *coder = &answer->coder;
    if (answer->announced >= 0) {
        int64_t left = answer->announced - answer->taken;
        piece.size = (int64_t)piece.size < left ? piece.size : (size_t)left;
        coder->is_full = (int64_t)piece.size == left;
    }
    if (coder->pushed.size > 0 || piece.size > CODER_BATCH)
        return buf_append_str(&coder->pushed, piece);
    return put(answer, piece, false, coder->is_full);
}

void http_coder_end(struct request *request)
{
    struct answer *answer = &request->answer;
    if (answer->coder.compressor == NULL || answer->coder.pushed.size > 0)
        return;
    if (answer->announced >= 0 && answer->taken < answer->announced)
        answer->more = -1;
    bool ends = answer->more == 0 || (answer->more == 1 && answer->coder.is_full);
    if (put(answer, STR(""), true, ends) < 0)
        answer->more = -1;
}

bool http_coder_go_on(struct request *request)
{
    struct answer *answer = &request->answer;
    struct http_coder *coder = &answer->coder;
    if (coder->compressor == NULL || coder->pushed.size == 0)
        return false;
    size_t left = coder->pushed.size - coder->pushed_begin;
    size_t size = left < CODER_SLICE ? left : CODER_SLICE;
    struct str slice = {coder->pushed.data + coder->pushed_begin, size};
    coder->pushed_begin += size;
    if (put(answer, slice, true, false) < 0)
        answer->more = -1;
    if (size == left) {
        buf_fini(&coder->pushed);
        coder->pushed_begin = 0;
        if (request->exchange.is_over || coder->is_full)
            http_coder_end(request);
    }
    return true;
}

size_t http_coder_waiting(const struct request *request)
{
    const struct http_coder *coder = &request->answer.coder;
    return coder->unflushed + coder->pushed.size - coder->pushed_begin;
}
