package ackproof.subject;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The lines to and from ackproof. One thread reads, so that its end is noticed while the client
 * blocks; one writes, as much at once as there is, so that the client's threads never wait for it.
 */
final class Pipe {
    private final LinkedBlockingQueue<Map<String, Object>> requests = new LinkedBlockingQueue<>();
    private final OutputStream out;
    private StringBuilder unwritten = new StringBuilder();
    private boolean writing;

    Pipe(InputStream in, OutputStream out) {
        this.out = out;
        background("reader", () -> read(in));
        background("writer", this::write);
    }

    private static void background(String name, Runnable work) {
        Thread thread = new Thread(work, "ackproof-" + name);
        thread.setDaemon(true);
        thread.start();
    }

    /** The next request; null where none came in time. */
    Map<String, Object> next(long waitMs) throws InterruptedException {
        return requests.poll(waitMs, TimeUnit.MILLISECONDS);
    }

    /** Writes an event of names and values, in turn. */
    void tell(Object... event) {
        StringBuilder line = new StringBuilder();
        Json.write(Json.object(event), line);
        synchronized (this) {
            unwritten.append(line).append('\n');
            notifyAll();
        }
    }

    /** Waits until all is written. */
    synchronized void finish() throws InterruptedException {
        while (writing || unwritten.length() > 0) {
            wait();
        }
    }

    private void read(InputStream in) {
        String op = null;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8), 1 << 16)) {
            for (String line; (line = lines.readLine()) != null; ) {
                Map<String, Object> request = request(line);
                op = String.valueOf(request.get("op"));
                requests.add(request);
            }
        } catch (IOException e) {
            e.printStackTrace();
        }
        if (!"close".equals(op)) {
            // ackproof is gone: nobody is left to hear how this ends.
            Runtime.getRuntime().halt(3);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> request(String line) {
        try {
            return (Map<String, Object>) Json.read(line);
        } catch (IllegalArgumentException | ClassCastException e) {
            return Json.object("op", "unreadable: " + e.getMessage());
        }
    }

    private void write() {
        StringBuilder lines = new StringBuilder();
        try {
            while (true) {
                synchronized (this) {
                    writing = false;
                    notifyAll();
                    while (unwritten.length() == 0) {
                        wait();
                    }
                    StringBuilder full = unwritten;
                    unwritten = lines;
                    lines = full;
                    writing = true;
                }
                out.write(lines.toString().getBytes(StandardCharsets.UTF_8));
                out.flush();
                lines.setLength(0);
            }
        } catch (IOException | InterruptedException e) {
            Runtime.getRuntime().halt(3);
        }
    }
}
