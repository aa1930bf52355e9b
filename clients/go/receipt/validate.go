package receipt

import (
	"fmt"
	"sort"
	"strings"
)

const maxTokenBytes = 1 << 20

// Expectations are what a relying party demands of a receipt.
type Expectations struct {
	Issuer, Audience string
	// MinimumLevel is A1 where it is empty, and A0 counts as A1.
	MinimumLevel string
	// DangerAcceptA0 accepts what anybody can say without owning a GPU, simulated devices included.
	DangerAcceptA0 bool
	// Job and Nonce are not looked at where they are empty.
	Job, Nonce string
	// LeewayS is for clocks that disagree, in seconds: 60 where it is nil, 600 at most.
	LeewayS *int64
}

// Receipt was validated: signed by a key of the set, for us, in time, and free of contradictions.
type Receipt struct{ Claims Claims }

// ID is what to pay once for. Two different tokens may be one receipt.
func (r *Receipt) ID() string { return r.Claims.Jti }

// Level is how much hardware stands behind it; it says nothing about the result.
func (r *Receipt) Level() string { return r.Claims.Pogw.Assurance.Level }

// Meets says whether it has this level or a higher one, and each of these checks of the result held.
func (r *Receipt) Meets(level string, checks ...string) bool {
	for _, one := range checks {
		if !oneOf(one, r.Claims.Pogw.Assurance.Results...) {
			return false
		}
	}
	wanted := indexOf(level, levels)
	return wanted >= 0 && indexOf(r.Level(), levels) >= wanted
}

// CanBeMet says whether there could be such a receipt: issuer and audience are named, and the level is a level.
func (e Expectations) CanBeMet() bool {
	return indexOf(e.minimumLevel(), levels) >= 0 && e.Issuer != "" && e.Audience != ""
}

// Validate validates a token at a time, in seconds since 1970. It does not remember: pay once for each ID.
func Validate(token string, keys *Jwks, expected Expectations, now int64) (*Receipt, error) {
	if !expected.CanBeMet() {
		return nil, fmt.Errorf("no receipt could meet these expectations")
	}
	payload, key, err := signedBy(token, keys)
	if err != nil {
		return nil, err
	}
	members, err := readObject(payload)
	if err != nil {
		return nil, err
	}
	claims, err := readClaims(members)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return expected.isFromAndForUs(claims) },
		func() error { return expected.isInTime(claims, now) },
		func() error { return key.isWithinLife(claims) },
		func() error { return check(claims) },
		func() error { return expected.isWhatWasAsked(claims) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &Receipt{*claims}, nil
}

// signedBy is the payload of a token whose signature holds; nothing of it has been read.
func signedBy(token string, keys *Jwks) ([]byte, publishedKey, error) {
	none := publishedKey{}
	if len(token) > maxTokenBytes {
		return nil, none, reject("token_too_large", "token: expected at most %d bytes, got %d", maxTokenBytes, len(token))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, none, reject("token_parts", "token: expected 3 parts, got %d", len(parts))
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		var ok bool
		if decoded[i], ok = fromBase64url(parts[i]); !ok {
			return nil, none, reject("base64url_malformed", "%s is not unpadded base64url", name)
		}
	}
	header, err := headerOf(decoded[0])
	if err != nil {
		return nil, none, err
	}
	key, there := keys.keys[header["kid"]]
	if !there {
		return nil, none, reject("key_unknown", "no key %q in the key set", excerpt(header["kid"]))
	}
	// The key decides the algorithm, not the header (RFC 8725 section 3.1).
	if header["alg"] != key.algorithm.name {
		return nil, none, reject("algorithm_mismatch", "alg: expected %s, got %q", key.algorithm.name, excerpt(header["alg"]))
	}
	if !key.hasSigned(parts[0]+"."+parts[1], parts[2]) {
		return nil, none, reject("signature_invalid", "signature of key %s does not hold", header["kid"])
	}
	return decoded[1], key, nil
}

// headerOf reads a header of exactly typ, alg and kid.
func headerOf(data []byte) (map[string]string, error) {
	members, err := readObject(data)
	if err != nil {
		return nil, err
	}
	var foreign []string
	for name := range members {
		if !oneOf(name, "typ", "alg", "kid") {
			foreign = append(foreign, name)
		}
	}
	if sort.Strings(foreign); len(foreign) > 0 {
		return nil, reject("header_member_not_allowed", "header member %q is not allowed", excerpt(foreign[0]))
	}
	header := map[string]string{}
	for _, name := range []string{"typ", "alg", "kid"} {
		value, there := members[name]
		if !there {
			return nil, reject("header_member_missing", "header member %s is missing", name)
		}
		var isText bool
		if header[name], isText = value.(string); !isText {
			return nil, reject("header_member_malformed", "header member %s is not a string", name)
		}
	}
	if header["typ"] != "eat+jwt" {
		return nil, reject("typ_mismatch", "typ: expected eat+jwt, got %q", excerpt(header["typ"]))
	}
	return header, nil
}

func (e Expectations) isFromAndForUs(c *Claims) error {
	if c.Iss != e.Issuer {
		return reject("issuer_mismatch", "iss: expected %s, got %s", e.Issuer, excerpt(c.Iss))
	}
	if !oneOf(e.Audience, c.Aud...) {
		return reject("audience_mismatch", "aud: expected %s, got %s", e.Audience, excerpt(strings.Join(c.Aud, ", ")))
	}
	return nil
}

func (e Expectations) isInTime(c *Claims, now int64) error {
	leeway := int64(60)
	if e.LeewayS != nil && *e.LeewayS >= 0 {
		leeway = *e.LeewayS
	}
	if leeway > 600 {
		leeway = 600
	}
	switch {
	case c.Iat > now+leeway:
		return reject("issued_in_future", "iat %d is later than %d", c.Iat, now+leeway)
	case c.Nbf > now+leeway:
		return reject("not_yet_valid", "nbf %d is later than %d", c.Nbf, now+leeway)
	case c.Exp != nil && *c.Exp+leeway <= now: // RFC 7519 section 4.1.4: not on or after exp
		return reject("expired", "exp %d is not later than %d with %d s of leeway", *c.Exp, now, leeway)
	}
	return nil
}

// isWithinLife has no leeway: both times are the issuer's.
func (k publishedKey) isWithinLife(c *Claims) error {
	if k.retiredAt != nil && c.Iat > *k.retiredAt {
		return reject("key_retired", "the key was retired at %d, iat is %d", *k.retiredAt, c.Iat)
	}
	return nil
}

func (e Expectations) minimumLevel() string {
	switch {
	case e.DangerAcceptA0:
		return "A0"
	case e.MinimumLevel == "" || e.MinimumLevel == "A0":
		return "A1"
	}
	return e.MinimumLevel
}

func (e Expectations) isWhatWasAsked(c *Claims) error {
	level, minimum := c.Pogw.Assurance.Level, e.minimumLevel()
	switch {
	case indexOf(level, levels) < indexOf(minimum, levels):
		return reject("assurance_level_too_low", "assurance level: expected at least %s, got %s", minimum, level)
	case e.Job != "" && e.Job != c.Pogw.JobDigest:
		return reject("job_mismatch", "job_digest: expected %s, got %s", e.Job, c.Pogw.JobDigest)
	case e.Nonce != "" && e.Nonce != c.EatNonce:
		return reject("nonce_mismatch", "eat_nonce: expected %s, got %s", e.Nonce, c.EatNonce)
	}
	return nil
}
