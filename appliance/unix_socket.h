// unix_socket.h - the file of a unix socket that is listened on: its name as an address, whether it
// is in the way, and whose it is to remove.
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

enum { UNIX_SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 }; // bytes

// So that only its maker removes the file, and only while it is the same file.
struct unix_socket_file {
    const char *path; // borrowed; NULL: none
    dev_t device;
    ino_t inode;
    pid_t maker;  // 0: nobody of this process's
    bool adopted; // made by the limpet that we take over from
};

// The address of a path. False: the path is empty, or longer than UNIX_SOCKET_PATH_MAX.
bool unix_socket_name(const char *path, struct sockaddr_un *out);

// What is there: 0 for a socket (and its status), ENOENT for nothing, ENOTSOCK for anything else,
// or the errno value that says why it cannot be known.
int unix_socket_look(const struct sockaddr_un *name, struct stat *status);

// Remove the file of a socket that nobody answers on any more. 0, or an errno value: EADDRINUSE
// where somebody may answer.
int unix_socket_remove_stale(const struct sockaddr_un *name);

// Note what is at the path now (borrowed) as nobody's; nothing: no path.
void unix_socket_find(struct unix_socket_file *file, const char *path);
// Whether it is there still, and the same.
bool unix_socket_in_place(const struct unix_socket_file *file);
// Note the file as ours (path is borrowed). 0 or an errno value.
int unix_socket_note(struct unix_socket_file *file, const char *path);
// Remove it, if it is ours; nothing is left to do for a second call.
void unix_socket_remove(struct unix_socket_file *file);

// What an errno value means here and the way out, up to the name of an option: "in use by another
// process; choose another with". NULL: errnum's own text is all there is to say.
const char *unix_socket_reason(int errnum);
