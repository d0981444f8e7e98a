// share.h - what processes that are forked from one image go on sharing.
#pragma once

// Objects that live as long as the interpreter in any case, and own nothing that anybody waits for,
// are not counted any more from here on: numbers, texts, code, functions, types. Else every use
// would write to their memory, and take it out of what processes share. Call it once, before fork.
void share_objects(void);
