/* The link emulator of tests/net/, for unit tests (whose own "net/" is the server's). */
#ifndef SUPPORT_NET_LINK_H
#define SUPPORT_NET_LINK_H

#include "../net/link.h"

#endif
