// http_client_priv.h - who has sent a request, and how. Included by http*.c only.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct connection;
struct request;

// A connection begins: its peer, and whether that is a trusted proxy. hidden: a proxy has spoken
// for somebody of whom it does not tell who he is.
void http_client_know(struct connection *connection, const struct sockaddr *name, bool hidden);

// With the head complete but for what may be another's: address, port and scheme of the client that
// a trusted proxy tells of.
void http_client_find(struct request *request);

// Whether its client has asked over HTTPS, here or at the proxy.
bool http_client_is_secure(const struct request *request);
