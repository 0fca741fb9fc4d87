// SPDX-License-Identifier: GPL-2.0-only
/*
 * node web.js serve PORT               an HTTP server that sends back what is posted
 * node web.js post PORT COUNT SECONDS  posts to it over one kept connection and compares every byte; goes on for COUNT
 *                                      answers and at least SECONDS, and prints answers, bytes and the longest time of one
 */
const http = require('http');
const crypto = require('crypto');
const [what, port, count, seconds] = process.argv.slice(2).map((v, i) => i ? Number(v) : v);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const begin = Date.now();
let answers = 0, bytes = 0, longest = 0;

function serve() {
	http.createServer((request, response) => {
		const parts = [];
		request.on('data', part => parts.push(part));
		request.on('end', () => response.end(Buffer.concat(parts)));
	}).listen(port, '127.0.0.1');
}

function fault(why) {
	console.log('FAULT: answer ' + answers + ': ' + why);
	process.exit(1);
}

function post() {
	const want = crypto.randomBytes(crypto.randomInt(answers % 16 ? 1000 : 300000));
	const start = process.hrtime.bigint();
	const request = http.request({port, host: '127.0.0.1', method: 'POST', agent, headers: {'Content-Length': want.length}}, response => {
		const parts = [];
		response.on('data', part => parts.push(part));
		response.on('end', () => {
			longest = Math.max(longest, Number(process.hrtime.bigint() - start) / 1e6);
			if (!Buffer.concat(parts).equals(want))
				fault('differs');
			answers++;
			bytes += want.length;
			if (answers < count || Date.now() - begin < seconds * 1000)
				return post();
			console.log(`answers=${answers} bytes=${bytes} longest_ms=${longest.toFixed(1)}`);
			process.exit(0);
		});
	});
	request.setTimeout(60000, () => fault('none within 60 s'));
	request.on('error', error => fault(error.message));
	request.end(want);
}

if (what === 'serve')
	serve();
else
	post();
