// tls_scratch.h - memory that the TLS connections of a worker use by turns: a busy connection
// borrows what an idle one does not need. With the baton.
#pragma once

#include <stddef.h>

enum {
    TLS_INPUT_SIZE = 18 << 10,  // bytes: a record of the greatest size, and some
    TLS_OUTPUT_SIZE = 72 << 10, // bytes: four records of the greatest size, encrypted
    TLS_RECORD_SIZE = 16 << 10, // bytes of data in a record, at most (RFC 8446 section 5.1)
    TLS_BUFFER_SIZE = 17 << 10, // bytes of a record and what mbedTLS needs beside it
    TLS_BUFFERS_KEPT = 16,      // record buffers that nobody uses at the moment
};

struct tls_scratch {
    unsigned char input[TLS_INPUT_SIZE];     // as it came from the socket
    unsigned char output[TLS_OUTPUT_SIZE];   // as it goes there
    unsigned char gathered[TLS_RECORD_SIZE]; // data of several pieces for one record
    void *buffers[TLS_BUFFERS_KEPT];
    size_t buffer_count;
};

struct tls_scratch *tls_scratch_new(void); // NULL: out of memory
void tls_scratch_free(struct tls_scratch *scratch);

// Record buffers, as mbedTLS asks for them and gives them back, wiped.
void *tls_scratch_take(void *scratch, size_t size);
void tls_scratch_give(void *scratch, void *buffer, size_t size);
