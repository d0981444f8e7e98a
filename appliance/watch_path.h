// watch_path.h - what a path stands on: every link on its way.
#pragma once

// Walk an absolute path as the kernel does, and call found for each name on the way whose change
// may lead elsewhere: each link, and the end, or the first name that is not there. They are given
// by their folder's real path, which is valid during the call.
void watch_path_walk(const char *path, void (*found)(void *owner, const char *path), void *owner);
