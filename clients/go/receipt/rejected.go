// Package receipt checks work receipts offline, by the rules and with the codes of the Rust crate of the same name.
//
// Signatures are golang-jwt's; what a receipt may say is checked here. A worked example: copy it, or start from it.
package receipt

import (
	"errors"
	"fmt"
	"strings"
)

// Rejected is the first reason why a token is not a receipt, or a text not a key set.
type Rejected struct {
	// Code is the stable snake_case word for the reason.
	Code    string
	message string
}

func (r *Rejected) Error() string { return r.message }

func reject(code, format string, values ...any) error {
	return &Rejected{Code: code, message: fmt.Sprintf(format, values...)}
}

// Code is the word for the reason of an error of this package; "ok" for none.
func Code(err error) string {
	var rejected *Rejected
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &rejected):
		return rejected.Code
	default:
		return "internal"
	}
}

// excerpt is the beginning of foreign text.
func excerpt(text string) string {
	const most = 64
	characters := []rune(text)
	if len(characters) <= most {
		return text
	}
	return string(characters[:most]) + "…"
}

func oneOf(word string, words ...string) bool {
	for _, one := range words {
		if one == word {
			return true
		}
	}
	return false
}

func fromList(words string) []string { return strings.Fields(words) }
