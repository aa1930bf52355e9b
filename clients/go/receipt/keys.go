package receipt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v4"
)

// An algorithm follows from the type and curve of a key.
type algorithm struct {
	name, kty, crv string
	size           int
	curve          elliptic.Curve
	verify         jwt.SigningMethod
}

// golang-jwt knows Ed25519 by the name of its family, EdDSA. Its registry is not asked: the key decides.
var algorithms = []algorithm{
	{"ES384", "EC", "P-384", 48, elliptic.P384(), jwt.SigningMethodES384},
	{"ES256", "EC", "P-256", 32, elliptic.P256(), jwt.SigningMethodES256},
	{"Ed25519", "OKP", "Ed25519", 32, nil, jwt.SigningMethodEdDSA},
}

type publishedKey struct {
	algorithm algorithm
	key       crypto.PublicKey
	retiredAt *int64
}

// hasSigned says whether the signature, in base64url, is one of this key. With v5 of the library it is passed as bytes.
func (k publishedKey) hasSigned(input, signature string) bool {
	return k.algorithm.verify.Verify(input, signature, k.key) == nil
}

// Jwks are the public keys of one verifier, by their RFC 7638 thumbprints.
type Jwks struct{ keys map[string]publishedKey }

// ParseJwks reads a set somebody published. Keys for something else are passed over; a defective one of ours refuses the set.
func ParseJwks(text []byte) (*Jwks, error) {
	if len(text) > 128*1024 {
		return nil, reject("jwks_too_large", "key set: expected at most 131072 bytes, got %d", len(text))
	}
	set, err := readObject(text)
	if err != nil {
		return nil, err
	}
	listed, isList := set["keys"].([]any)
	for _, key := range listed {
		_, isObject := key.(object)
		isList = isList && isObject
	}
	if !isList {
		return nil, reject("jwks_keys_malformed", "keys is not an array of objects")
	}
	if len(listed) > 256 {
		return nil, reject("jwks_too_many_keys", "key set: expected at most 256 keys, got %d", len(listed))
	}
	jwks := &Jwks{keys: map[string]publishedKey{}}
	for _, members := range listed {
		if err := jwks.add(members.(object)); err != nil {
			return nil, err
		}
	}
	if len(jwks.keys) == 0 {
		return nil, reject("jwks_no_usable_key", "no usable key")
	}
	return jwks, nil
}

// add passes over a key with a certificate, which is for other tokens, and one of another use, type or curve.
func (j *Jwks) add(members object) error {
	use, hasUse := members["use"]
	_, hasCertificate := members["x5c"]
	if hasUse && use != "sig" || hasCertificate {
		return nil
	}
	for _, algorithm := range algorithms {
		if members["kty"] != algorithm.kty || members["crv"] != algorithm.crv {
			continue
		}
		kid, key, err := readKey(algorithm, members)
		if err != nil {
			return err
		}
		if _, twice := j.keys[kid]; twice {
			return reject("jwks_key_duplicate", "key %s occurs twice", kid)
		}
		j.keys[kid] = key
	}
	return nil
}

func readKey(algorithm algorithm, members object) (string, publishedKey, error) {
	found := publishedKey{algorithm: algorithm}
	if _, private := members["d"]; private {
		return "", found, reject("jwk_private_key_published", "member d: the private key is published")
	}
	stated, err := member(members, "alg")
	if err != nil {
		return "", found, err
	}
	if stated != algorithm.name {
		return "", found, reject("jwk_algorithm_mismatch", "alg: expected %s, got %q", algorithm.name, excerpt(stated))
	}
	point, err := coordinates(algorithm, members)
	if err != nil {
		return "", found, err
	}
	if found.key, err = algorithm.publicKey(point); err != nil {
		return "", found, err
	}
	kid, err := member(members, "kid")
	if err != nil {
		return "", found, err
	}
	if expected := algorithm.thumbprint(point); kid != expected {
		return "", found, reject("jwk_kid_mismatch", "kid: expected %s, got %q", expected, excerpt(kid))
	}
	if exp, retired := members["exp"]; retired {
		at, isTime := exp.(int64)
		if !isTime || at < 0 {
			return "", found, reject("jwk_retirement_malformed", "exp: expected seconds since the Unix epoch, got %v", exp)
		}
		found.retiredAt = &at
	}
	return kid, found, nil
}

func member(members object, name string) (string, error) {
	text, ok := members[name].(string)
	if !ok {
		return "", reject("jwk_member_missing", "member %s is missing or not a string", name)
	}
	return text, nil
}

// coordinates are x, and y where the curve has one.
func coordinates(algorithm algorithm, members object) ([][]byte, error) {
	names := []string{"x", "y"}
	if algorithm.curve == nil {
		names = names[:1]
	}
	var found [][]byte
	for _, name := range names {
		text, err := member(members, name)
		if err != nil {
			return nil, err
		}
		data, ok := fromBase64url(text)
		if !ok || len(data) != algorithm.size {
			return nil, reject("jwk_coordinate_malformed", "member %s: expected base64url of %d bytes", name, algorithm.size)
		}
		found = append(found, data)
	}
	return found, nil
}

func (a algorithm) publicKey(point [][]byte) (crypto.PublicKey, error) {
	if a.curve == nil {
		return ed25519.PublicKey(point[0]), nil
	}
	x, y := new(big.Int).SetBytes(point[0]), new(big.Int).SetBytes(point[1])
	if !a.curve.IsOnCurve(x, y) {
		return nil, reject("jwk_point_invalid", "not a public key of %s", a.name)
	}
	return &ecdsa.PublicKey{Curve: a.curve, X: x, Y: y}, nil
}

// thumbprint: RFC 7638 section 3, members in the order of their names, no white space.
func (a algorithm) thumbprint(point [][]byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	canonical := fmt.Sprintf(`{"crv":"%s","kty":"%s","x":"%s"`, a.crv, a.kty, encode(point[0]))
	if len(point) == 2 {
		canonical += fmt.Sprintf(`,"y":"%s"`, encode(point[1]))
	}
	digest := sha256.Sum256([]byte(canonical + "}"))
	return encode(digest[:])
}
