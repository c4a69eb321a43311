/* How the clients of sfu_rig.c reach its media side: over sockets in real time, or by hand in virtual time.
 */
#ifndef SUPPORT_SFU_RIG_NET_H
#define SUPPORT_SFU_RIG_NET_H

#include "support/sfu_rig.h"

/* Opens and starts r->sfu, and fills the ports in. */
void rig_net_open(struct sfu_rig *r, struct sfu_config *c);
void rig_net_stop(struct sfu_rig *r);

/* A way to the server, as p->tcp says; the path is that of the client. */
void rig_net_attach(struct sfu_rig_peer *p);
void rig_net_detach(struct sfu_rig_peer *p);

void rig_take_events(struct sfu_rig *r);

#endif
