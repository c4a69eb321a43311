// timeout: 120
// Requests that make no sense, during a call of others: an error that says what was wrong, and the call goes on.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { Bystanders } from './lib/bystanders.mjs';
import { refusal } from './lib/signal.mjs';

let call, server;
before(async () => {
    call = await Bystanders.start();
    server = call.server;
});
after(() => call.stop());

/** Sends these bytes and waits for the end of the connection: {status, head, body} of what came. */
async function raw(bytes) {
    const s = connect(server.port, '127.0.0.1');
    let got = '';
    s.setEncoding('latin1').on('data', (d) => (got += d));
    s.on('error', () => {}); // a reset, when we still send what nobody wants
    const closed = once(s, 'close');
    await once(s, 'connect');
    s.write(bytes);
    await closed;
    const [head, ...body] = got.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), head, body: body.join('\r\n\r\n') };
}

const get = (target, fields = '') => raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`);
const post = (path, body, type = 'application/json') =>
    fetch(server.http + path, { method: 'POST', body, headers: { 'Content-Type': type } });

function says({ error }) {
    assert.ok(error.code && error.message.length > 5, JSON.stringify(error));
}

test('errors are JSON that says what was wrong', async () => {
    for (const [status, r] of [
        [400, await post('/api/rooms', '{"name"')],
        [400, await post('/api/rooms', '[]')],
        [400, await post('/api/rooms', '{"name": 5}')],
        [400, await post('/api/rooms', JSON.stringify({ name: 'x'.repeat(65) }))],
        [404, await fetch(`${server.http}/api/rooms/abc-defg-hjk`)],
        [404, await fetch(`${server.http}/api/nothing`)],
        [405, await fetch(`${server.http}/api/rooms`)],
        [405, await fetch(`${server.http}/health`, { method: 'DELETE' })],
        [413, await post('/api/rooms', JSON.stringify({ name: 'x', pad: 'y'.repeat(5000) }))],
        [415, await post('/api/rooms', 'name=x', 'application/x-www-form-urlencoded')],
    ]) {
        assert.equal(r.status, status, r.url);
        assert.match(r.headers.get('content-type'), /^application\/json/);
        says(await r.json());
        if (status === 405) assert.match(r.headers.get('allow'), /POST|GET/);
    }
});

test('no path leads out of the web client', () =>
    call.harmless(async () => {
        for (const path of [
            '/../../../../etc/passwd',
            '/..%2f..%2f..%2fetc/passwd',
            '/%2e%2e/%2e%2e/%2e%2e/etc/passwd',
            '/assets/../../../../../../etc/passwd',
            '/assets/..%5c..%5cetc%5cpasswd',
            '/..\\..\\etc\\passwd',
            '//etc/passwd',
            '/etc/passwd%00.html',
            '/%00',
            '/%zz',
            '/.git/config',
            `/${'a/'.repeat(5000)}`,
        ]) {
            const r = await get(path);
            assert.ok(!/root:|\[core\]/.test(r.body), path);
            if (r.status === 200) assert.match(r.body, /<!doctype html>/i, path); // the page of the client
            else assert.ok([400, 404].includes(r.status), `${path}: ${r.status}`);
        }
    }));

test('lines and heads beyond their bounds', () =>
    call.harmless(async () => {
        const fields = Array.from({ length: 3000 }, (_, i) => `X-${i}: ${'y'.repeat(100)}\r\n`).join('');
        for (const [status, r] of [
            [414, await get(`/?${'x'.repeat(70000)}`)],
            [431, await get('/', fields)],
        ]) {
            assert.equal(r.status, status, r.head);
            says(JSON.parse(r.body));
        }
    }));

test('what is not HTTP, or HTTP of two readings', () =>
    call.harmless(async () => {
        const rooms = 'POST /api/rooms HTTP/1.1\r\nHost: x\r\n';
        for (const bytes of [
            Buffer.concat([Buffer.from([0xff]), randomBytes(3000)]),
            Buffer.from('16030102000100 0001fc0303'.replace(' ', ''), 'hex'), // TLS
            'GET\r\n\r\n',
            'GET / HTTP/9.9\r\n\r\n',
            'GET / HTTP/1.1\r\n\r\n',
            'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
            `${rooms}Content-Length: -1\r\n\r\n`,
            `${rooms}Content-Length: 99999999999999999999\r\n\r\n`,
            `${rooms}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
            `${rooms}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        ]) {
            const r = await raw(bytes);
            assert.equal(r.status, /9\.9/.test(bytes) ? 505 : 400, `${bytes.slice(0, 100)}: ${r.head}`);
            says(JSON.parse(r.body));
        }
        const chunk = await raw(`${rooms}Transfer-Encoding: chunked\r\n\r\nzz\r\n`);
        assert.equal(chunk.status, 400, chunk.head);
    }));

test('a refused upgrade leaves nothing behind', () =>
    call.harmless(async () => {
        for (let i = 0; i < 50; i++) assert.equal((await refusal(server, '/rtc?access_token=x')).status, 401);
    }, 60));
