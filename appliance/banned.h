// banned.h - functions that invite overruns or hide errors do not compile here. Forced into every
// file by the build (-include banned.h), after the system headers that declare them.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets strtok atoi atol atoll
#pragma GCC poison tmpnam mktemp gmtime localtime ctime asctime
