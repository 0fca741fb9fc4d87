// SPDX-License-Identifier: GPL-2.0-only

// gotalk: a Go program with the library's own copying, for the splice guard: io.Copy between TCP connections is splice(2) on Linux.
//
//	gotalk [-n MESSAGES] [-b BYTES] [-s SECONDS]
//
// Three things, one after the other, each with every byte checked:
//
//	echo    a server that reads and writes messages for s seconds and then io.Copy()s b bytes, three times on one connection
//	proxy   client, proxy, server; the proxy io.Copy()s both ways from the first byte on
//	http    a client, httputil.ReverseProxy and a server, n requests over connections that stay
//
// Last line: "gotalk echo=ok proxy=ok http=ok", or the error.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

var messages = flag.Int("n", 3000, "messages or requests")
var bulk = flag.Int64("b", 1<<20, "bytes of a copy")
var seconds = flag.Float64("s", 1, "seconds of messages before the copies")

const last = '!' // begins the last message before the copies

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

func dial(l net.Listener) (net.Conn, error) {
	return net.Dial("tcp", l.Addr().String())
}

// One message there and back.
func ping(c net.Conn, size int, seed int64, first byte) error {
	out, in := make([]byte, size), make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(out)
	out[0] = first
	if _, err := c.Write(out); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, in); err != nil {
		return err
	}
	if !bytes.Equal(in, out) {
		return errors.New("other bytes came back")
	}
	return nil
}

// Serves what echo() asks: messages by Read and Write, then copies.
func serve(c net.Conn) error {
	buf := make([]byte, 64)
	for buf[0] != last {
		if _, err := io.ReadFull(c, buf); err != nil {
			return err
		}
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
	for i := 0; i < 3; i++ {
		n, err := io.Copy(c, io.LimitReader(c, *bulk))
		if err != nil {
			return fmt.Errorf("io.Copy after %d bytes: %w", n, err)
		}
	}
	return nil
}

func echo() error {
	l, done := listen(), make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = serve(c)
			c.Close()
		}
		done <- err
	}()
	c, err := dial(l)
	if err != nil {
		return err
	}
	until := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	for i := int64(0); time.Now().Before(until) && err == nil; i++ {
		err = ping(c, 64, i, 0)
	}
	if err == nil {
		err = ping(c, 64, 0, last)
	}
	for left := 3 * *bulk; left > 0 && err == nil; left -= 1024 {
		err = ping(c, 1024, left, byte(left))
	}
	if served := <-done; served != nil {
		return served
	}
	return err
}

// Copies both ways between each connection and one to `to`.
func forward(l, to net.Listener, failed chan error) {
	for {
		a, err := l.Accept()
		if err != nil {
			return
		}
		b, err := dial(to)
		if err != nil {
			failed <- err
			return
		}
		for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
			go func(from, to net.Conn) {
				if _, err := io.Copy(to, from); err != nil {
					failed <- err
				}
				to.(*net.TCPConn).CloseWrite()
			}(way[0], way[1])
		}
	}
}

func proxy() error {
	server, front, failed := listen(), listen(), make(chan error, 4)
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 1024)
				for {
					n, err := c.Read(buf)
					if n > 0 {
						c.Write(buf[:n])
					}
					if err != nil {
						c.Close()
						return
					}
				}
			}()
		}
	}()
	go forward(front, server, failed)
	c, err := dial(front)
	for i := 0; i < *messages && err == nil; i++ {
		err = ping(c, 512, int64(i), byte(i))
	}
	if err == nil {
		c.Close()
	}
	select {
	case err = <-failed:
	default:
	}
	return err
}

func web() error {
	body := make([]byte, 20000)
	rand.New(rand.NewSource(1)).Read(body)
	server, front := listen(), listen()
	to, _ := url.Parse("http://" + server.Addr().String())
	go http.Serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	go http.Serve(front, httputil.NewSingleHostReverseProxy(to))
	for i := 0; i < *messages; i++ {
		r, err := http.Get("http://" + front.Addr().String())
		if err != nil {
			return err
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, body) {
			return errors.New("another body came")
		}
	}
	return nil
}

func main() {
	flag.Parse()
	status := 0
	line := "gotalk"
	for _, test := range []struct {
		name string
		run  func() error
	}{{"echo", echo}, {"proxy", proxy}, {"http", web}} {
		result := "ok"
		if err := test.run(); err != nil {
			result, status = fmt.Sprintf("%q", err), 1
		}
		line += " " + test.name + "=" + result
	}
	fmt.Println(line)
	os.Exit(status)
}
