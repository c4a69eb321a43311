/* Flows over the link emulator of tests/net/, for unit tests. */
#ifndef SUPPORT_NET_FLOW_H
#define SUPPORT_NET_FLOW_H

#include "../net/flow.h"

#endif
