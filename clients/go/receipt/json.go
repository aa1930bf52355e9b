package receipt

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON as the profile allows it: no member twice, integers of at most 53 bits, nesting of at most 16. encoding/json keeps
// the last of two equal members, matches names whatever their case, and mends what is no UTF-8.

const (
	maxDepth   = 16
	maxInteger = 1<<53 - 1
)

type object = map[string]any

// readObject reads one object and nothing after it. Values are nil, bool, int64, string, []any and object.
func readObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, malformed("not UTF-8")
	}
	r := reader{text: string(data)}
	value, err := r.value(maxDepth)
	if err != nil {
		return nil, err
	}
	if r.peek(); r.at < len(r.text) {
		return nil, malformed("something follows")
	}
	members, ok := value.(object)
	if !ok {
		return nil, reject("json_not_object", "expected an object")
	}
	return members, nil
}

type reader struct {
	text string
	at   int
}

func malformed(why string) error { return reject("json_malformed", "not JSON: %s", why) }

// peek skips white space, and says what stands there: 0 at the end.
func (r *reader) peek() byte {
	for ; r.at < len(r.text); r.at++ {
		if !strings.ContainsRune(" \t\n\r", rune(r.text[r.at])) {
			return r.text[r.at]
		}
	}
	return 0
}

func (r *reader) expect(sign byte) error {
	if r.peek() != sign {
		return malformed("expected " + string(sign))
	}
	r.at++
	return nil
}

func (r *reader) value(depthLeft int) (any, error) {
	switch r.peek() {
	case '{':
		members := object{}
		err := r.list('}', depthLeft, func() error { return r.member(members, depthLeft-1) })
		return members, err
	case '[':
		items := []any{}
		err := r.list(']', depthLeft, func() error {
			item, err := r.value(depthLeft - 1)
			items = append(items, item)
			return err
		})
		return items, err
	case '"':
		return r.string()
	}
	for word, value := range map[string]any{"true": true, "false": false, "null": nil} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			return value, nil
		}
	}
	return r.number()
}

func (r *reader) member(members object, depthLeft int) error {
	if r.peek() != '"' {
		return malformed("expected a name")
	}
	name, err := r.string()
	if err != nil {
		return err
	}
	if _, twice := members[name]; twice {
		return reject("json_duplicate_member", "member %q occurs twice", excerpt(name))
	}
	if err := r.expect(':'); err != nil {
		return err
	}
	members[name], err = r.value(depthLeft)
	return err
}

func (r *reader) list(end byte, depthLeft int, item func() error) error {
	if depthLeft == 0 {
		return reject("json_too_deep", "nested deeper than %d", maxDepth)
	}
	r.at++
	if r.peek() == end {
		r.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if r.peek() == end {
			r.at++
			return nil
		}
		if err := r.expect(','); err != nil {
			return err
		}
	}
}

func (r *reader) string() (string, error) {
	var text strings.Builder
	for r.at++; r.at < len(r.text); {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return text.String(), nil
		case c < ' ':
			return "", malformed("a control character in a string")
		case c == '\\':
			character, err := r.escape()
			if err != nil {
				return "", err
			}
			text.WriteRune(character)
		default:
			text.WriteByte(c)
			r.at++
		}
	}
	return "", malformed("a string does not end")
}

func (r *reader) escape() (rune, error) {
	if r.at+1 >= len(r.text) {
		return 0, malformed("a string does not end")
	}
	c := r.text[r.at+1]
	if c == 'u' {
		return r.unicode()
	}
	place := strings.IndexByte(`"\/bfnrt`, c)
	if place < 0 {
		return 0, malformed("an unknown escape")
	}
	r.at += 2
	return rune("\"\\/\b\f\n\r\t"[place]), nil
}

func (r *reader) unicode() (rune, error) {
	first, err := r.unit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	second, err := r.unit()
	if err != nil {
		return 0, malformed("half a character")
	}
	both := utf16.DecodeRune(first, second)
	if both == utf8.RuneError {
		return 0, malformed("half a character")
	}
	return both, nil
}

// unit reads \uXXXX.
func (r *reader) unit() (rune, error) {
	if !strings.HasPrefix(r.text[r.at:], `\u`) || r.at+6 > len(r.text) {
		return 0, malformed("an unfinished escape")
	}
	digits := r.text[r.at+2 : r.at+6]
	unit, err := strconv.ParseUint(digits, 16, 16)
	if err != nil {
		return 0, malformed("an unknown escape")
	}
	r.at += 6
	return rune(unit), nil
}

func (r *reader) number() (int64, error) {
	start := r.at
	isInteger := true
	if r.is('-') {
		r.at++
	}
	if !r.is('0') {
		if !r.digits() {
			return 0, malformed("expected a value")
		}
	} else {
		r.at++
	}
	if r.is('.') {
		r.at++
		if isInteger = false; !r.digits() {
			return 0, malformed("expected a digit")
		}
	}
	if r.is('e') || r.is('E') {
		r.at++
		if r.is('+') || r.is('-') {
			r.at++
		}
		if isInteger = false; !r.digits() {
			return 0, malformed("expected a digit")
		}
	}
	return exact(r.text[start:r.at], isInteger)
}

func exact(digits string, isInteger bool) (int64, error) {
	if double, _ := strconv.ParseFloat(digits, 64); math.IsInf(double, 0) {
		return 0, malformed("number out of range")
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	// Minus zero is a number that only doubles have.
	if !isInteger || err != nil || digits == "-0" || number > maxInteger || number < -maxInteger {
		return 0, reject("json_number_not_integer", "a number is not an integer of at most 53 bits")
	}
	return number, nil
}

func (r *reader) is(c byte) bool { return r.at < len(r.text) && r.text[r.at] == c }

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}
