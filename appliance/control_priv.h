// control_priv.h - what control.c and control_socket.c share. Included by them only.
#pragma once

#include "control.h"
#include "unix_socket.h"

// Listen on a unix socket at path, of which path and file are left to their owner alone; -1 with
// err. file->path is path itself.
int control_socket_open(const char *path, bool take_over, struct unix_socket_file *file,
                        struct err *err);
