// A server and the browsers that people use it with, for a file of tests.
import assert from 'node:assert/strict';
import { openChromium, openFirefox } from './browsers.mjs';
import { Server } from './server.mjs';

/** For before(): {server, chromium}, and firefox if it is wanted. options: as for Server.start. */
export async function begin({ firefox: wanted = false, ...options } = {}) {
    const started = await Promise.allSettled([
        Server.start(options),
        openChromium(),
        wanted ? openFirefox() : undefined,
    ]);
    const [server, chromium, firefox] = started.map((s) => s.value);
    const failed = started.find((s) => s.status === 'rejected');
    if (failed) {
        await Promise.all([server?.stop(), chromium?.close(), firefox?.close()]); // what is left would keep the file running
        throw failed.reason;
    }
    return { server, chromium, firefox };
}

/** For after(): closes what begin opened; the server has to end in order. */
export async function end({ server, chromium, firefox }) {
    await Promise.all([chromium?.close(), firefox?.close()]);
    assert.equal((await server?.stop())?.code, 0, server?.log);
}
