// timeout: 180
// WHIP and WHEP: a publisher and a viewer by plain HTTP requests meet people of the web client.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { token, until } from './lib/server.mjs';

let server, chromium;

before(async () => {
    ({ server, chromium } = await begin());
});

after(() => end({ server, chromium }));

/** A page of the server's own origin with a WHIP publisher in it, made by hand. */
async function publisher(room, jwt, simulcast) {
    const page = await chromium.page();
    await page.goto(`${server.http}/favicon.svg`);
    const answer = await page.evaluate(
        async ([path, bearer, layers]) => {
            const pc = (window.pc = new RTCPeerConnection());
            const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
            pc.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly' });
            pc.addTransceiver(media.getVideoTracks()[0], {
                direction: 'sendonly',
                sendEncodings: layers
                    ? [
                          { rid: 'q', scaleResolutionDownBy: 4 },
                          { rid: 'h', scaleResolutionDownBy: 2 },
                          { rid: 'f' },
                      ]
                    : undefined,
            });
            await pc.setLocalDescription();
            const r = await fetch(path, {
                method: 'POST',
                headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${bearer}` },
                body: pc.localDescription.sdp,
            });
            const headers = Object.fromEntries(r.headers.entries());
            const body = await r.text();
            if (r.status === 201) await pc.setRemoteDescription({ type: 'answer', sdp: body });
            return { status: r.status, headers, body };
        },
        [`/whip/${encodeURIComponent(room)}`, jwt, simulcast],
    );
    return { page, ...answer };
}

async function viewer(path, jwt) {
    const page = await chromium.page();
    await page.goto(`${server.http}/favicon.svg`);
    const answer = await page.evaluate(
        async ([to, bearer]) => {
            const pc = (window.pc = new RTCPeerConnection());
            pc.addTransceiver('audio', { direction: 'recvonly' });
            pc.addTransceiver('video', { direction: 'recvonly' });
            await pc.setLocalDescription();
            const r = await fetch(to, {
                method: 'POST',
                headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${bearer}` },
                body: pc.localDescription.sdp,
            });
            const headers = Object.fromEntries(r.headers.entries());
            const body = await r.text();
            if (r.status === 201) await pc.setRemoteDescription({ type: 'answer', sdp: body });
            return { status: r.status, headers, body };
        },
        [path, jwt],
    );
    return { page, ...answer };
}

const inbound = (page) =>
    page.evaluate(async () => {
        const out = {};
        for (const s of (await window.pc.getStats()).values())
            if (s.type === 'inbound-rtp') out[s.kind] = { frames: s.framesDecoded, packets: s.packetsReceived };
        return out;
    });

for (const simulcast of [false, true])
    test(`a WHIP publisher${simulcast ? ' with three layers' : ''} is seen in the web client`, async () => {
        const room = await server.createRoom();
        const person = await Person.join(chromium, server, room, 'Ada');
        const jwt = await token('studio', room.code, {}, { name: 'Studio' });
        const studio = await publisher(room.code, jwt, simulcast);
        assert.equal(studio.status, 201, studio.body);
        assert.match(studio.headers.location, new RegExp(`^/whip/${room.code}/`));
        assert.ok(studio.headers.etag);
        await person.sees('Studio', 'camera', 20);
        await person.hears('Studio');
        const gone = await fetch(server.http + studio.headers.location, { method: 'DELETE' });
        assert.equal(gone.status, 200);
        await until('the studio is gone', async () => !(await person.received()).Studio);
        await person.page.close();
        await studio.page.close();
    });

test('a WHEP viewer sees and hears somebody of the web client, through an ICE restart', async () => {
    const room = await server.createRoom();
    const jwt = await token('telly', room.code);
    const early = await viewer(`/whep/${room.code}`, jwt);
    assert.equal(early.status, 409);
    assert.ok(early.headers['retry-after']);
    await early.page.close();
    const person = await Person.join(chromium, server, room, 'Ada');
    await person.publishes();
    const identity = await person.page.evaluate(() => window.fanlight.room.localParticipant.identity);
    for (const path of [`/whep/${room.code}`, `/whep/${room.code}/${identity}`]) {
        const tv = await until('something to see', async () => {
            const v = await viewer(path, jwt);
            return v.status === 201 ? v : (await v.page.close(), null);
        });
        await until('pictures', async () => (await inbound(tv.page)).video?.frames > 20);
        await until('sound', async () => (await inbound(tv.page)).audio?.packets > 20);

        const restarted = await tv.page.evaluate(
            async ([location, etag]) => {
                const pc = window.pc;
                pc.restartIce();
                const offer = await pc.createOffer({ iceRestart: true });
                await pc.setLocalDescription(offer);
                const lines = pc.localDescription.sdp.split('\r\n');
                const first = (start) => lines.find((l) => l.startsWith(start));
                const frag = [
                    first('a=ice-ufrag:'),
                    first('a=ice-pwd:'),
                    `m=audio 9 UDP/TLS/RTP/SAVPF 0`,
                    first('a=mid:'),
                    '',
                ].join('\r\n');
                const r = await fetch(location, {
                    method: 'PATCH',
                    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag },
                    body: frag,
                });
                const body = await r.text();
                if (r.status !== 200) return { status: r.status, body };
                const get = (name) => body.match(new RegExp(`a=${name}:(.*)`))[1].trim();
                const answer = pc.currentRemoteDescription.sdp
                    .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${get('ice-ufrag')}`)
                    .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${get('ice-pwd')}`);
                await pc.setRemoteDescription({ type: 'answer', sdp: answer });
                return { status: 200, etag: r.headers.get('etag') };
            },
            [tv.headers.location, tv.headers.etag],
        );
        assert.equal(restarted.status, 200, restarted.body);
        assert.notEqual(restarted.etag, tv.headers.etag);
        const before = (await inbound(tv.page)).video.frames;
        await until('pictures after the restart', async () => (await inbound(tv.page)).video.frames > before + 20);
        await tv.page.close();
    }
    await person.page.close();
});

describe('refusals', () => {
    const sdp = { 'Content-Type': 'application/sdp' };
    const bearer = async (room, grants) => ({ Authorization: `Bearer ${await token('x', room, grants)}` });

    async function refused(path, init, status) {
        const r = await fetch(server.http + path, { method: 'POST', ...init });
        assert.equal(r.status, status, path);
        assert.equal(r.headers.get('content-type'), 'application/problem+json');
        assert.ok(r.headers.get('access-control-allow-origin'));
        const body = await r.json();
        assert.equal(body.status, status);
        assert.ok(body.detail);
    }

    test('415 for another type', async () =>
        refused('/whip/r', { headers: { 'Content-Type': 'text/plain' }, body: 'v=0' }, 415));
    test('401 without a token', async () => refused('/whip/r', { headers: sdp, body: 'v=0' }, 401));
    test('403 for another room, and without the right to publish', async () => {
        await refused('/whip/r', { headers: { ...sdp, ...(await bearer('other')) }, body: 'v=0' }, 403);
        await refused('/whip/r', { headers: { ...sdp, ...(await bearer('r', { canPublish: false })) }, body: 'v=0' }, 403);
        await refused('/whep/r', { headers: { ...sdp, ...(await bearer('r', { canSubscribe: false })) }, body: 'v=0' }, 403);
    });
    test('400 for an impossible description', async () =>
        refused('/whip/r', { headers: { ...sdp, ...(await bearer('r')) }, body: 'hello' }, 400));
    test('404 for a room or a session that is not there', async () => {
        const good = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n';
        await refused('/whep/nowhere', { headers: { ...sdp, ...(await bearer('nowhere')) }, body: good }, 404);
        await refused('/whip/r/none', { method: 'PATCH' }, 404);
        await refused('/whip/r/none', { method: 'DELETE' }, 404);
    });
});
