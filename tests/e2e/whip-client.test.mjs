// timeout: 180
// WHIP and WHEP with clients that others wrote and published on npm, in a page of another origin than the server's.
//
// Where a client departs from the protocol, the test says so and holds the server to the protocol:
// - whip-whep's viewer trickles without If-Match until its first ICE restart (428, RFC 9725, section 4.3.1);
// - whip-whep's stop() ends DTLS before it sends DELETE, so that the session may be gone by then (404);
// - @eyevinn/whip-web-client's candidates have the component 0 (400; RFC 8839 has 1 to 256), and no If-Match either.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { openChromium } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { Server, token, until } from './lib/server.mjs';
import { rawToken } from './lib/token.mjs';

const modules = {
    eyevinn: '@eyevinn/whip-web-client/dist/whip-client.modern.js',
    whip: 'whip-whep/whip.js',
    whep: 'whip-whep/whep.js',
};

let bundle, site, server, chromium;

before(async () => {
    bundle = await bundled();
    site = await website();
    server = await Server.start();
    chromium = await openChromium();
});

after(async () => {
    await chromium?.close();
    await server?.stop();
    site?.close();
});

/** The clients as one script that leaves them in `clients`, made with the web client's vite. */
async function bundled() {
    const vite = createRequire(new URL('../../web/package.json', import.meta.url)).resolve('vite');
    const { build } = await import(vite);
    const entry = 'virtual:clients';
    const self = fileURLToPath(import.meta.url);
    const lines = Object.entries(modules).map(([name, path]) => `export * as ${name} from '${path}';`);
    const out = await build({
        configFile: false,
        logLevel: 'warn',
        root: fileURLToPath(new URL('.', import.meta.url)),
        build: {
            write: false,
            rolldownOptions: {
                input: entry,
                preserveEntrySignatures: 'strict',
                output: { format: 'iife', name: 'clients' },
            },
        },
        plugins: [
            {
                name: 'entry',
                enforce: 'pre',
                resolveId(id, from) {
                    if (id === entry) return id;
                    return from === entry ? this.resolve(id, self, { skipSelf: true }) : null;
                },
                load: (id) => (id === entry ? lines.join('\n') : null),
            },
        ],
    });
    return out.output[0].code;
}

/** Somebody else's web site. */
async function website() {
    const http = createServer((req, res) => {
        res.setHeader('Content-Type', 'text/html');
        res.end('<!doctype html><title>A studio</title><video autoplay></video>');
    });
    http.listen(0, 'localhost');
    await once(http, 'listening');
    return http;
}

const elsewhere = () => `http://localhost:${site.address().port}/`;

/** A page with the clients in it, and what was asked of the server from there. */
async function open(url = elsewhere()) {
    const page = await chromium.page();
    const s = { page, requests: [], errors: [], said: [] };
    s.of = (method) => s.requests.filter((r) => r.method === method);
    page.on('pageerror', (e) => s.errors.push(e.message));
    page.on('console', (m) => s.said.push(m.text()));
    page.on('response', (r) => {
        const q = r.request();
        const headers = q.headers();
        s.requests.push({
            method: q.method(),
            path: new URL(r.url()).pathname,
            bearer: headers.authorization,
            ifMatch: headers['if-match'],
            body: q.postData(),
            status: r.status(),
            answer: r.headers(),
        });
    });
    await page.goto(url);
    await page.evaluate(`${bundle}; window.clients = clients`);
    return s;
}

/** whip-whep's ICE restart joins the server's candidates with a comma, which no browser can read: it is taken out. */
const repairRestart = (page) =>
    page.evaluate(() => {
        const set = RTCPeerConnection.prototype.setRemoteDescription;
        RTCPeerConnection.prototype.setRemoteDescription = function (d) {
            return set.call(this, { type: d.type, sdp: d.sdp.replaceAll('\r\n,a=', '\r\na=') });
        };
    });

const publish = (page, url, jwt) =>
    page.evaluate(
        async ([to, bearer]) => {
            const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
            const pc = (window.pc = new RTCPeerConnection());
            for (const t of media.getTracks()) pc.addTransceiver(t, { direction: 'sendonly', streams: [media] });
            const client = (window.client = new window.clients.whip.WHIPClient());
            await client.publish(pc, to, bearer);
        },
        [url, jwt],
    );

const view = (page, url, jwt) =>
    page.evaluate(
        async ([to, bearer]) => {
            const pc = (window.pc = new RTCPeerConnection());
            const shown = new MediaStream();
            document.querySelector('video').srcObject = shown;
            pc.ontrack = (e) => shown.addTrack(e.track);
            pc.addTransceiver('audio', { direction: 'recvonly' });
            pc.addTransceiver('video', { direction: 'recvonly' });
            const client = (window.client = new window.clients.whep.WHEPClient());
            await client.view(pc, to, bearer);
        },
        [url, jwt],
    );

const ingest = (page, endpoint, authkey) =>
    page.evaluate(
        async (options) => {
            const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
            const client = (window.client = new window.clients.eyevinn.WHIPClient(options));
            await client.setIceServersFromEndpoint();
            await client.ingest(media);
        },
        { endpoint, opts: { authkey, iceServers: [], debug: true } },
    );

/** Restarts ICE by the client: new credentials on both sides, and its addresses follow under the new entity tag. */
async function restarts(s) {
    const ufrag = () => s.page.evaluate(() => window.pc.currentRemoteDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1]);
    const before = await ufrag();
    const n = s.of('PATCH').length;
    await s.page.evaluate(() => window.client.restart());
    const [restart] = (await until('the restart is answered', () => s.of('PATCH').length > n)) && s.of('PATCH').slice(n);
    assert.equal(restart.status, 200, JSON.stringify(restart));
    assert.equal(restart.ifMatch, '*');
    assert.match(restart.answer['content-type'], /^application\/trickle-ice-sdpfrag/);
    assert.notEqual(await ufrag(), before);
    const later = await until('addresses for the new session', () => {
        const all = s.of('PATCH').slice(n + 1);
        return all.some((r) => r.body.includes('a=candidate:')) && all;
    });
    for (const r of later) assert.deepEqual([r.ifMatch, r.status], [restart.answer.etag, 204]);
    await until('connected', () => s.page.evaluate(() => window.pc.connectionState === 'connected'));
    return restart.answer.etag;
}

/** The one DELETE was for the session that POST made, with the token. */
async function deleted(s, jwt, statuses) {
    const [r] = await until('DELETE', () => s.of('DELETE').length > 0 && s.of('DELETE'));
    assert.equal(r.path, s.of('POST')[0].answer.location);
    assert.equal(r.bearer, `Bearer ${jwt}`);
    assert.ok(statuses.includes(r.status), `DELETE: ${r.status}`);
}

const gone = (person, name) => until(`${name} is gone`, async () => !(await person.received())[name]);

describe('whip-whep', () => {
    test('publishes, trickles, restarts ICE and stops', async () => {
        const room = await server.createRoom();
        const person = await Person.join(chromium, server, room, 'Ada');
        const jwt = await token('studio', room.code, {}, { name: 'Studio' });
        const s = await open();
        await repairRestart(s.page);
        await publish(s.page, `${server.http}/whip/${room.code}`, jwt);
        await person.sees('Studio', 'camera', 20);
        await person.hears('Studio');

        const [post] = s.of('POST');
        const trickled = await until('addresses', () => s.of('PATCH').some((r) => /a=candidate:/.test(r.body)) && s.of('PATCH'));
        for (const r of trickled)
            assert.deepEqual([r.path, r.ifMatch, r.status], [post.answer.location, post.answer.etag, 204], r.body);

        const etag = await restarts(s);
        assert.notEqual(etag, post.answer.etag);
        await person.sees('Studio', 'camera', 30);
        await person.hears('Studio');

        await s.page.evaluate(() => window.client.stop());
        await deleted(s, jwt, [200, 404]);
        await gone(person, 'Studio');
        assert.deepEqual(s.errors, []);
        await s.page.close();
        await person.page.close();
    });

    test('views, restarts ICE and stops', async () => {
        const room = await server.createRoom();
        const person = await Person.join(chromium, server, room, 'Ada');
        await person.publishes();
        const jwt = await token('telly', room.code);
        const s = await open();
        await repairRestart(s.page);
        await view(s.page, `${server.http}/whep/${room.code}`, jwt);
        const seen = () =>
            s.page.evaluate(async () => {
                const out = { width: document.querySelector('video').videoWidth };
                for (const r of (await window.pc.getStats()).values())
                    if (r.type === 'inbound-rtp') Object.assign(out, { [r.kind]: r.framesDecoded ?? r.totalAudioEnergy });
                return out;
            });
        const more = async (what) => {
            const start = await seen();
            await until(`pictures and sound ${what}`, async () => {
                const now = await seen();
                return now.width > 0 && now.video > (start.video ?? 0) + 20 && now.audio > (start.audio ?? 0) + 1e-4;
            });
        };
        await more('at first');
        const trickled = await until('addresses', () => s.of('PATCH').some((r) => /a=candidate:/.test(r.body)) && s.of('PATCH'));
        for (const r of trickled) assert.deepEqual([r.ifMatch, r.status], [undefined, 428]);
        await restarts(s);
        await more('after the restart');
        await s.page.evaluate(() => window.client.stop());
        await deleted(s, jwt, [200, 404]);
        assert.deepEqual([...new Set(s.errors)], ['Request rejected with status 428']);
        await s.page.close();
        await person.page.close();
    });

    test('takes ICE servers from the answer', async () => {
        const other = await Server.start({ args: ['--set', 'ice_servers=stun:127.0.0.1:9'] });
        const s = await open();
        try {
            const room = await other.createRoom();
            await publish(s.page, `${other.http}/whip/${room.code}`, await token('studio', room.code));
            const urls = await s.page.evaluate(() => window.pc.getConfiguration().iceServers.map((i) => i.urls).flat());
            assert.deepEqual(urls, ['stun:127.0.0.1:9']);
            await until('connected', () => s.page.evaluate(() => window.pc.connectionState === 'connected'));
        } finally {
            await s.page.close();
            await other.stop();
        }
    });

    test('tells of a token that is wrong, and of one that is for another room', async () => {
        const room = await server.createRoom();
        const forged = rawToken({ video: { roomJoin: true, room: room.code } }, { secret: 'guessed' });
        const s = await open();
        for (const [jwt, status] of [
            [forged, 401],
            [await token('x', 'another'), 403],
        ]) {
            const refusal = { message: new RegExp(`Request rejected with status ${status}`) };
            await assert.rejects(publish(s.page, `${server.http}/whip/${room.code}`, jwt), refusal);
            await assert.rejects(view(s.page, `${server.http}/whep/${room.code}`, jwt), refusal);
        }
        await s.page.close();
    });
});

describe('@eyevinn/whip-web-client', () => {
    for (const [where, url] of [
        ['of another origin', elsewhere],
        ["of the server's origin", () => `${server.http}/favicon.svg`],
    ])
        test(`publishes from a page ${where} and ends it`, async () => {
            const room = await server.createRoom();
            const person = await Person.join(chromium, server, room, 'Ada');
            const jwt = await token('studio', room.code, {}, { name: 'Studio' });
            const s = await open(url());
            await ingest(s.page, `${server.http}/whip/${room.code}`, jwt);
            await person.sees('Studio', 'camera', 20);
            await person.hears('Studio');
            assert.equal(await s.page.evaluate(() => window.client.getICEConnectionState()), 'connected');

            // it trickles where it can read that PATCH is allowed, and goes without once that was refused
            const patches = s.of('PATCH');
            if (url === elsewhere) assert.equal(patches.length, 0);
            else assert.ok(patches.length > 0);
            for (const r of patches) {
                assert.match(r.body, /^a=candidate:\S+ 0 (udp|tcp) /m);
                assert.deepEqual([r.path, r.ifMatch, r.status], [s.of('POST')[0].answer.location, undefined, 400]);
            }
            assert.equal(await s.page.evaluate(() => window.client.supportTrickleIce()), false);

            await s.page.evaluate(() => window.client.destroy());
            await deleted(s, jwt, [200]);
            await gone(person, 'Studio');
            assert.deepEqual(s.errors, []);
            await s.page.close();
            await person.page.close();
        });

    test('tells of a token that is wrong', async () => {
        const room = await server.createRoom();
        const person = await Person.join(chromium, server, room, 'Ada');
        const s = await open();
        const forged = rawToken({ name: 'Studio', video: { roomJoin: true, room: room.code } }, { secret: 'guessed' });
        await ingest(s.page, `${server.http}/whip/${room.code}`, forged);
        const line = await until('an error', () => s.said.find((l) => l.includes('Failed to setup stream connection')));
        assert.match(line, /endpoint 401 .*"title":"Unauthorized"/);
        assert.deepEqual(await person.received(), {});
        assert.equal(await s.page.evaluate(() => window.client.getICEConnectionState()), 'new');
        await s.page.close();
        await person.page.close();
    });
});
