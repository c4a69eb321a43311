// Real browsers with fake cameras and microphones.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium as playwright } from 'playwright-core';
import puppeteer from 'puppeteer-core';

const chromiumArgs = [
    '--no-sandbox',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--auto-select-desktop-capture-source=Entire screen',
    '--autoplay-policy=no-user-gesture-required',
    '--allow-loopback-in-peer-connection',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
    '--disable-gpu',
    '--no-first-run',
    '--disable-features=WebRtcHideLocalIpsWithMdns',
];

/** @param {string[]} more further command line options */
export async function openChromium(more = []) {
    const browser = await playwright.launch({
        executablePath: '/usr/bin/chromium',
        headless: true,
        args: [...chromiumArgs, ...more],
    });
    return {
        name: 'chromium',
        /** A page with storage of its own: another person. */
        async page() {
            const context = await browser.newContext();
            return context.newPage();
        },
        close: () => browser.close(),
    };
}

export async function openFirefox(prefs = {}) {
    const userDataDir = await mkdtemp(join(tmpdir(), 'fanlight-firefox-'));
    const browser = await puppeteer.launch({
        browser: 'firefox',
        protocol: 'webDriverBiDi',
        executablePath: '/usr/bin/firefox-esr',
        headless: true,
        timeout: 90000, // its first start on a busy machine takes more than the usual 30 s
        userDataDir,
        extraPrefsFirefox: {
            'media.navigator.streams.fake': true,
            'media.navigator.permission.disabled': true,
            'media.getdisplaymedia.enabled': true,
            'media.autoplay.default': 0,
            'media.peerconnection.ice.obfuscate_host_addresses': false,
            ...prefs,
        },
    });
    return {
        name: 'firefox',
        async page() {
            const context = await browser.createBrowserContext();
            return context.newPage();
        },
        async close() {
            await browser.close();
            await rm(userDataDir, { recursive: true, force: true });
        },
    };
}
