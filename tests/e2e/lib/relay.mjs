// Between one client's media and the server, over UDP: keeps what the client sends, to send it again.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export class Relay {
    static async start() {
        const r = new Relay();
        r.toServer = []; // all datagrams of the client, in order
        r.near = createSocket('udp4'); // the client's side
        r.far = createSocket('udp4'); // the server's side
        r.near.on('message', (b, from) => {
            r.client = from;
            r.toServer.push(Buffer.from(b));
            r.far.send(b, r.port, '127.0.0.1');
        });
        r.far.on('message', (b) => r.client && r.near.send(b, r.client.port, r.client.address));
        for (const s of [r.near, r.far]) {
            s.bind(0, '127.0.0.1');
            await once(s, 'listening');
        }
        return r;
    }

    /** The answer with this relay as the only candidate. */
    lead(sdp) {
        this.port = Number(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/.exec(sdp)[1]);
        const mine = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${this.near.address().port} typ host\r\n`;
        return sdp.replace(/(a=candidate:.*\r\n)+/g, mine);
    }

    /** Sends a datagram to the server as if the client had. */
    again(b) {
        return new Promise((resolve) => this.far.send(b, this.port, '127.0.0.1', resolve));
    }

    stop() {
        this.near.close();
        this.far.close();
    }
}
