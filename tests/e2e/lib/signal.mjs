// LiveKit's signalling by hand: what a client sends and gets, message by message.
import { gzipSync } from 'node:zlib';
import {
    ClientInfo,
    ClientInfo_SDK,
    ConnectionSettings,
    JoinRequest,
    SignalRequest,
    SignalResponse,
    WrappedJoinRequest,
    WrappedJoinRequest_Compression,
} from '@livekit/protocol';
import WebSocket from 'ws';
import { slow, token } from './server.mjs';

/** The value of the query parameter join_request, not yet escaped for a URL. */
export function joinRequest(request, { gzip = false, padding = true } = {}) {
    const plain = new JoinRequest(request).toBinary();
    const wrapped = new WrappedJoinRequest({
        compression: gzip ? WrappedJoinRequest_Compression.GZIP : WrappedJoinRequest_Compression.NONE,
        joinRequest: gzip ? gzipSync(plain) : plain,
    });
    const text = Buffer.from(wrapped.toBinary()).toString('base64url');
    return padding ? text + '='.repeat((4 - (text.length % 4)) % 4) : text;
}

export function clientInfo(more = {}) {
    return new ClientInfo({ sdk: ClientInfo_SDK.JS, version: '2.23.0', protocol: 17, clientProtocol: 2, ...more });
}

/** `/path?key=value...` */
export function target(path, params) {
    const query = new URLSearchParams();
    for (const [k, v] of Object.entries(params)) if (v !== undefined) query.set(k, String(v));
    return `${path}?${query}`;
}

/** What an upgrade that is refused is answered with: {status, headers, text}. */
export function refusal(server, path, headers = {}) {
    return new Promise((resolve, reject) => {
        const ws = new WebSocket(server.ws + path, { headers });
        ws.on('open', () => {
            ws.terminate();
            reject(new Error(`${path.slice(0, 100)} was upgraded`));
        });
        ws.on('error', reject);
        ws.on('unexpected-response', (_, r) => {
            let text = '';
            r.setEncoding('utf8')
                .on('data', (t) => (text += t))
                .on('end', () => resolve({ status: r.statusCode, headers: r.headers, text }));
        });
    });
}

export class Signal {
    /** Every kind of message that any client of this process got. */
    static seen = new Set();
    static opened = new Set();

    /** Opens a socket; nothing is waited for but the upgrade. */
    static open(server, path, { headers, text = false } = {}) {
        const s = new Signal();
        Signal.opened.add(s);
        s.text = text; // what we send
        s.messages = []; // all that came, in order
        s.frames = []; // 'text' or 'binary' of each
        s.taken = new Set();
        s.waiting = new Set();
        s.ws = new WebSocket(server.ws + path, { headers, skipUTF8Validation: true });
        s.ws.on('message', (data, isBinary) => s.#got(data, isBinary));
        s.closed = new Promise((resolve) =>
            s.ws.on('close', (code, reason) => {
                s.end = { code, reason: reason.toString() };
                Signal.opened.delete(s);
                for (const w of s.waiting) w();
                resolve(s.end);
            }),
        );
        return new Promise((resolve, reject) => {
            s.ws.on('open', () => resolve(s));
            s.ws.on('error', reject);
        });
    }

    /**
     * Joins, and waits for the first message, which has to be the join response.
     * form: 'v1' (/rtc/v1), 'request' (/rtc with join_request) or 'two' (/rtc, two connections).
     */
    static async join(server, options) {
        const s = await Signal.open(server, await Signal.joinPath(options), { text: options.text });
        s.identity = options.identity;
        s.join = await s.first('join');
        s.sid = s.join.participant.sid;
        return s;
    }

    static async joinPath({
        room,
        identity,
        grants,
        options,
        form = 'v1',
        jwt,
        offer,
        offerId = 1,
        autoSubscribe = true,
        info,
        request = {},
        query = {},
        gzip,
        padding,
        reconnect = false,
        sid,
        settings = {},
    }) {
        jwt ??= await token(identity, room, grants, options);
        if (form === 'two')
            return target('/rtc', {
                access_token: jwt,
                protocol: info?.protocol ?? 17,
                sdk: 'js',
                auto_subscribe: autoSubscribe ? 1 : 0,
                reconnect: reconnect ? 1 : undefined,
                sid,
                ...query,
            });
        const value = joinRequest(
            {
                clientInfo: clientInfo(info),
                connectionSettings: new ConnectionSettings({ autoSubscribe, ...settings }),
                publisherOffer: offer ? { type: 'offer', sdp: offer, id: offerId } : undefined,
                reconnect,
                participantSid: sid,
                ...request,
            },
            { gzip, padding },
        );
        return target(form === 'v1' ? '/rtc/v1' : '/rtc', { access_token: jwt, join_request: value, ...query });
    }

    /** A new socket for a participant that is in the room; waits for the first message. */
    static async resume(server, { sid, jwt, ...options }) {
        const s = await Signal.open(server, await Signal.joinPath({ ...options, jwt, sid, reconnect: true }), options);
        s.sid = sid;
        s.first1 = await s.#any();
        return s;
    }

    #got(data, isBinary) {
        const m = isBinary ? SignalResponse.fromBinary(data) : SignalResponse.fromJsonString(data.toString());
        this.messages.push(m.message);
        this.frames.push(isBinary ? 'binary' : 'text');
        Signal.seen.add(m.message.case);
        for (const w of this.waiting) w();
    }

    send(kind, value) {
        const m = new SignalRequest({ message: { case: kind, value } });
        this.ws.send(this.text ? m.toJsonString() : m.toBinary());
    }

    /** The first message of all, which has to be of this kind. */
    async first(kind) {
        const m = await this.#any();
        if (m.case !== kind) throw new Error(`first came ${m.case}, not ${kind}: ${JSON.stringify(m.value)}`);
        this.taken.add(m);
        return m.value;
    }

    #any() {
        return this.#wait('a message', () => this.messages[0]);
    }

    /** The next message of this kind that was not taken before and fits; waits for it. */
    async next(kind, fits = () => true, ms = 10000) {
        const m = await this.#wait(
            `${kind} ${fits}`,
            () => this.messages.find((x) => x.case === kind && !this.taken.has(x) && fits(x.value)),
            ms,
        );
        this.taken.add(m);
        return m.value;
    }

    /** All of this kind so far. */
    all(kind) {
        return this.messages.filter((m) => m.case === kind).map((m) => m.value);
    }

    /** What is known of a participant, by the newest message about it. */
    person(identity) {
        let found = this.join?.otherParticipants.find((p) => p.identity === identity);
        if (this.join?.participant.identity === identity) found = this.join.participant;
        for (const u of this.all('update')) for (const p of u.participants) if (p.identity === identity) found = p;
        return found;
    }

    /** Waits until what is known of a participant fits. */
    async knows(identity, fits, ms) {
        await this.#wait(`${identity} ${fits}`, () => {
            const p = this.person(identity);
            return p && fits(p);
        }, ms);
        return this.person(identity);
    }

    /** All that was sent before has been answered when this resolves. */
    async settled() {
        const timestamp = BigInt(Math.floor(Math.random() * 1e9));
        this.send('pingReq', { timestamp, rtt: 0n });
        await this.next('pongResp', (p) => p.lastPingTimestamp === timestamp);
    }

    #wait(what, fn, ms = 10000) {
        return new Promise((resolve, reject) => {
            const done = (settle, value) => {
                clearTimeout(timer);
                this.waiting.delete(look);
                settle(value);
            };
            const story = () => this.messages.map((m) => m.case).join(' ');
            const look = () => {
                const found = fn();
                if (found) done(resolve, found);
                else if (this.end)
                    done(reject, new Error(`never: ${what}; closed ${this.end.code} "${this.end.reason}" after: ${story()}`));
            };
            const timer = setTimeout(() => done(reject, new Error(`never: ${what}; came: ${story()}`)), ms * slow);
            this.waiting.add(look);
            look();
        });
    }

    /** Says goodbye and closes. */
    async leave() {
        if (!this.end && this.ws.readyState === WebSocket.OPEN) this.send('leave', { reason: 1 });
        return this.close();
    }

    close() {
        this.ws.close(1000);
        return this.closed;
    }

    /** As if the network had gone. */
    drop() {
        this.ws.terminate();
        return this.closed;
    }
}
