// SPDX-License-Identifier: GPL-2.0-only
/*
 * Web: Java's own HTTP client and a selector server of its kind, for run.sh -r.
 *
 * Web get PORT PATH FILE COUNT SECONDS   Range requests of FILE at http://127.0.0.1:PORT/PATH, every byte compared
 * Web echo PORT                          sends back what comes, from one selector
 *
 * get asks for COUNT pieces and for at least SECONDS; it prints answers, bytes and the longest time of an answer.
 */
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;

public class Web {
	public static void main(String[] args) throws Exception {
		if (args[0].equals("get"))
			get("http://127.0.0.1:" + args[1] + args[2], Files.readAllBytes(Path.of(args[3])),
			    Integer.parseInt(args[4]), Integer.parseInt(args[5]));
		else
			echo(Integer.parseInt(args[1]));
	}

	static void get(String url, byte[] want, int count, int seconds) throws Exception {
		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
		Random random = new Random(1);
		long begin = System.nanoTime(), longest = 0, bytes = 0;
		int answers = 0;

		while (answers < count || System.nanoTime() - begin < seconds * 1_000_000_000L) {
			// many small ones, so that the connection is chatty, and some large ones
			int len = answers % 8 == 0 ? 100_000 + random.nextInt(400_000) : 1 + random.nextInt(2000);
			int at = random.nextInt(want.length - len);
			HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(60))
				.header("Range", "bytes=" + at + "-" + (at + len - 1)).build();
			long start = System.nanoTime();
			byte[] got = client.send(request, HttpResponse.BodyHandlers.ofByteArray()).body();
			longest = Math.max(longest, System.nanoTime() - start);
			if (!Arrays.equals(got, Arrays.copyOfRange(want, at, at + len))) {
				System.out.println("FAULT: answer " + answers + " differs, " + got.length + " of " + len);
				System.exit(1);
			}
			bytes += len;
			answers++;
		}
		System.out.println("answers=" + answers + " bytes=" + bytes + " longest_ms=" + longest / 1_000_000);
		System.exit(0);
	}

	static void echo(int port) throws Exception {
		Selector selector = Selector.open();
		ServerSocketChannel server = ServerSocketChannel.open();
		server.bind(new InetSocketAddress("127.0.0.1", port));
		server.configureBlocking(false);
		server.register(selector, SelectionKey.OP_ACCEPT);
		System.out.println("ready");
		for (;;) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (key.isAcceptable())
					accept(server, selector);
				else
					forward(key);
			}
			selector.selectedKeys().clear();
		}
	}

	static void accept(ServerSocketChannel server, Selector selector) throws Exception {
		SocketChannel channel = server.accept();
		channel.configureBlocking(false);
		channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
		channel.register(selector, SelectionKey.OP_READ, ByteBuffer.allocate(1 << 16));
	}

	// Reads, or, while not all has been sent back, waits for room.
	static void forward(SelectionKey key) throws Exception {
		SocketChannel channel = (SocketChannel)key.channel();
		ByteBuffer buffer = (ByteBuffer)key.attachment();

		if (key.isReadable() && channel.read(buffer) < 0) {
			channel.close();
			return;
		}
		buffer.flip();
		channel.write(buffer);
		key.interestOps(buffer.hasRemaining() ? SelectionKey.OP_WRITE : SelectionKey.OP_READ);
		buffer.compact();
	}
}
