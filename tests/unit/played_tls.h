// played_tls.h - what a played reactor does with certificates: nothing. Included by
// played_application.h only.
#pragma once

#include "reactor.h"

int reactor_set_tls(struct reactor *reactor, int bundle, struct err *err)
{
    (void)reactor, (void)bundle, (void)err;
    return 0;
}
