package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHeaderBytes = 9
	// What a peer takes that has not said otherwise (RFC 9113, 6.5.2).
	frameBytesMax     = 16384
	windowBytes       = 65535
	headerTableBytes  = 4096
	windowRefillBytes = 1 << 29
)

// http2Connection speaks as much of HTTP/2 (RFC 9113) as a gRPC client needs to send requests that were encoded before.
// One goroutine reads; one, the same or another, sends.
type http2Connection struct {
	connection net.Conn
	reader     *bufio.Reader
	decoder    *hpack.Decoder
	payload    []byte
	consumed   uint32

	// What the peer lets us send: on the connection, on each new stream, and on the stream under way.
	windows          sync.Mutex
	widened          sync.Cond
	connectionWindow int64
	initialWindow    int64
	streamWindow     int64
	failure          error
}

// frame is one that callers have to look at: HEADERS, or DATA. It is valid until the next one is read.
type frame struct {
	data       []byte
	headers    map[string]string
	lastOfCall bool
}

func dialHTTP2(address string) (*http2Connection, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &http2Connection{
		connection:       connection,
		reader:           bufio.NewReaderSize(connection, readBytes),
		decoder:          hpack.NewDecoder(headerTableBytes, nil),
		connectionWindow: windowBytes,
		initialWindow:    windowBytes,
		streamWindow:     windowBytes,
	}
	c.widened.L = &c.windows
	var hello bytes.Buffer
	hello.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&hello, nil)
	err = framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		// Answers are read as they come: they need no holding back.
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32},
	)
	if err == nil {
		err = framer.WriteWindowUpdate(0, math.MaxInt32-windowBytes)
	}
	if err == nil {
		_, err = connection.Write(hello.Bytes())
	}
	return c, err
}

// requestHeaders returns the frame that opens a stream. It adds nothing to the peer's table, so that it can be sent again
// and again.
func requestHeaders(wanted *order) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", wanted.Target},
		{":authority", wanted.Address},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	}
	for _, field := range append(fields, wanted.Headers...) {
		// Sensitive fields are never indexed.
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
	}
	return appendFrame(nil, http2.FrameHeaders, http2.FlagHeadersEndHeaders, block.Bytes())
}

// messageFrames returns the DATA frames of one gRPC message, the last of them with the flags last.
func messageFrames(message []byte, last http2.Flags) []byte {
	prefixed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	prefixed = append(prefixed, message...)
	var frames []byte
	for len(prefixed) > frameBytesMax {
		frames = appendFrame(frames, http2.FrameData, 0, prefixed[:frameBytesMax])
		prefixed = prefixed[frameBytesMax:]
	}
	return appendFrame(frames, http2.FrameData, last, prefixed)
}

// appendFrame appends a frame of a stream that is not known yet: it is 1, or what sentOn makes it.
func appendFrame(frames []byte, kind http2.FrameType, flags http2.Flags, payload []byte) []byte {
	length := len(payload)
	frames = append(frames, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags), 0, 0, 0, 1)
	return append(frames, payload...)
}

// sentOn makes frames those of the given stream, in place.
func sentOn(frames []byte, stream uint32) {
	for at := 0; at < len(frames); at += frameBytes(frames[at:]) {
		binary.BigEndian.PutUint32(frames[at+5:], stream)
	}
}

// frameBytes returns the length of the frame that frames begin with.
func frameBytes(frames []byte) int {
	return frameHeaderBytes + int(frames[0])<<16 + int(frames[1])<<8 + int(frames[2])
}

// send writes frames as far as the peer's windows allow, all at once if they do. Where they do not, wait is called to
// have them widened; it is called with the windows locked and returns with them locked.
func (c *http2Connection) send(frames []byte, wait func() error) error {
	for len(frames) > 0 {
		c.windows.Lock()
		batch := 0
		for batch < len(frames) {
			size := frameBytes(frames[batch:])
			if http2.FrameType(frames[batch+3]) == http2.FrameData {
				cost := int64(size - frameHeaderBytes)
				if min(c.connectionWindow, c.streamWindow) < cost {
					break
				}
				c.connectionWindow -= cost
				c.streamWindow -= cost
			}
			batch += size
		}
		if batch == 0 {
			err := wait()
			c.windows.Unlock()
			if err != nil {
				return err
			}
			continue
		}
		c.windows.Unlock()
		if _, err := c.connection.Write(frames[:batch]); err != nil {
			return err
		}
		frames = frames[batch:]
	}
	return nil
}

// newStream resets the window of the stream under way.
func (c *http2Connection) newStream() {
	c.windows.Lock()
	c.streamWindow = c.initialWindow
	c.windows.Unlock()
}

// next reads up to the next frame that callers have to look at, and does what the others ask for.
func (c *http2Connection) next() (frame, error) {
	for {
		got, found, err := c.readFrame()
		if err != nil || found {
			return got, err
		}
	}
}

// readFrame reads one frame and tells whether callers have to look at it.
func (c *http2Connection) readFrame() (frame, bool, error) {
	header, err := http2.ReadFrameHeader(c.reader)
	if err != nil {
		return frame{}, false, err
	}
	if cap(c.payload) < int(header.Length) {
		c.payload = make([]byte, header.Length)
	}
	payload := c.payload[:header.Length]
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		return frame{}, false, err
	}
	got := frame{lastOfCall: header.Flags&http2.FlagDataEndStream != 0}
	switch header.Type {
	case http2.FrameData:
		if header.Flags&http2.FlagDataPadded != 0 {
			return got, false, fmt.Errorf("a padded DATA frame, which no server sends")
		}
		got.data = payload
		return got, true, c.refill(header.Length)
	case http2.FrameHeaders:
		if header.Flags&http2.FlagHeadersEndHeaders == 0 || header.Flags&(http2.FlagHeadersPadded|http2.FlagHeadersPriority) != 0 {
			return got, false, fmt.Errorf("HEADERS of a kind that no gRPC server sends: flags %x", header.Flags)
		}
		got.headers, err = c.decode(payload)
		return got, true, err
	case http2.FrameSettings:
		if header.Flags&http2.FlagSettingsAck != 0 {
			return got, false, nil
		}
		c.takeSettings(payload)
		return got, false, c.control(http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
	case http2.FramePing:
		if header.Flags&http2.FlagPingAck != 0 {
			return got, false, nil
		}
		return got, false, c.control(http2.FramePing, http2.FlagPingAck, 0, payload)
	case http2.FrameWindowUpdate:
		c.widen(header.StreamID, int64(binary.BigEndian.Uint32(payload)))
		return got, false, nil
	case http2.FrameRSTStream:
		return got, false, fmt.Errorf("the stream was reset: %s", http2.ErrCode(binary.BigEndian.Uint32(payload)))
	case http2.FrameGoAway:
		return got, false, fmt.Errorf("the connection is refused: %q", payload[8:])
	}
	return got, false, nil
}

func (c *http2Connection) decode(block []byte) (map[string]string, error) {
	fields, err := c.decoder.DecodeFull(block)
	if err != nil {
		return nil, err
	}
	headers := make(map[string]string, len(fields))
	for _, field := range fields {
		headers[field.Name] = field.Value
	}
	return headers, nil
}

func (c *http2Connection) takeSettings(payload []byte) {
	c.windows.Lock()
	defer c.windows.Unlock()
	for ; len(payload) >= 6; payload = payload[6:] {
		if http2.SettingID(binary.BigEndian.Uint16(payload)) == http2.SettingInitialWindowSize {
			initial := int64(binary.BigEndian.Uint32(payload[2:]))
			c.streamWindow += initial - c.initialWindow
			c.initialWindow = initial
		}
	}
	c.widened.Broadcast()
}

func (c *http2Connection) widen(stream uint32, bytes int64) {
	c.windows.Lock()
	defer c.windows.Unlock()
	if stream == 0 {
		c.connectionWindow += bytes
	} else {
		c.streamWindow += bytes
	}
	c.widened.Broadcast()
}

// refill gives the peer its window back, long before it has used it up.
func (c *http2Connection) refill(bytes uint32) error {
	c.consumed += bytes
	if c.consumed < windowRefillBytes {
		return nil
	}
	given := binary.BigEndian.AppendUint32(nil, c.consumed)
	c.consumed = 0
	return c.control(http2.FrameWindowUpdate, 0, 0, given)
}

// control sends a frame of the connection's own upkeep. A net.Conn keeps writes of several goroutines apart.
func (c *http2Connection) control(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) error {
	frames := appendFrame(nil, kind, flags, payload)
	sentOn(frames, stream)
	_, err := c.connection.Write(frames)
	return err
}

// fail ends what waits for the windows.
func (c *http2Connection) fail(err error) {
	c.windows.Lock()
	defer c.windows.Unlock()
	c.failure = err
	c.widened.Broadcast()
}

func (c *http2Connection) close() { c.connection.Close() }
