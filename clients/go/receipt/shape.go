package receipt

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Profile is the profile of the claims (RFC 9711 section 6).
const Profile = "tag:pogw.dev,2026:work-receipt#1"

// A read returns the value if it is of its type. What it returns holds the members we know and no other.
type read func(any) (any, error)

type field struct {
	name     string
	optional bool
	read     read
}

var (
	// Control characters, and those that reorder the text around them.
	unprintable = regexp.MustCompile(`[\x00-\x1f\x7f-\x{9f}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)
	hex32       = regexp.MustCompile(`^[0-9a-f]{64}$`)
	methodName  = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

	levels   = fromList("A0 A1 A2 A3")
	results  = fromList("audit freivalds sumcheck replicas")
	tiers    = fromList("contraindicated warning none affirming")
	statuses = fromList("affirmed refuted unverifiable not_requested")
	sources  = fromList("hardware recomputation replicas verifier_clock guest_asserted provider_asserted")

	categories = fromList("instance-identity configuration executables file-system hardware runtime-opaque storage-opaque sourced-data")
)

// fromBase64url is strict: no padding, no line feed, no spare bits in the last character.
func fromBase64url(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") { // which encoding/base64 passes over
		return nil, false
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return data, err == nil
}

func isString(value any) (any, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	return nil, fmt.Errorf("expected a string, got %T", value)
}

func matching(what string, fits func(string) bool) read {
	return func(value any) (any, error) {
		if text, ok := value.(string); ok && fits(text) {
			return text, nil
		}
		return nil, fmt.Errorf("expected %s, got %q", what, excerpt(fmt.Sprint(value)))
	}
}

func isBytes(lowest, highest int) func(string) bool {
	return func(text string) bool {
		data, ok := fromBase64url(text)
		return ok && len(data) >= lowest && len(data) <= highest
	}
}

var (
	text = matching("1 to 512 bytes of printable text", func(text string) bool {
		return len(text) >= 1 && len(text) <= 512 && !unprintable.MatchString(text)
	})
	digest     = matching("64 lower-case hexadecimal digits", hex32.MatchString)
	nonce      = matching("base64url of 8 to 64 bytes", isBytes(8, 64))
	thumbprint = matching("base64url of 32 bytes", isBytes(32, 32))
	method     = matching("1 to 64 lower-case letters, digits and underscores", methodName.MatchString)
	number     = integer(0, maxInteger)
	source     = word(sources)
)

func word(words []string) read {
	return matching(strings.Join(words, " | "), func(word string) bool { return oneOf(word, words...) })
}

func integer(lowest, highest int64) read {
	return func(value any) (any, error) {
		if number, ok := value.(int64); ok && number >= lowest && number <= highest {
			return number, nil
		}
		return nil, fmt.Errorf("expected an integer from %d to %d, got %v", lowest, highest, value)
	}
}

func flag(value any) (any, error) {
	if flag, ok := value.(bool); ok {
		return flag, nil
	}
	return nil, fmt.Errorf("expected true or false, got %v", value)
}

func orNull(inner read) read {
	return func(value any) (any, error) {
		if value == nil {
			return nil, nil
		}
		return inner(value)
	}
}

func array(item read) read {
	return func(value any) (any, error) {
		given, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("expected an array, got %T", value)
		}
		items := make([]any, len(given))
		for i, one := range given {
			var err error
			if items[i], err = item(one); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
}

// shape is an object of exactly these members. null is not a way to be absent.
func shape(fields ...field) read {
	return func(value any) (any, error) {
		given, ok := value.(object)
		if !ok {
			return nil, fmt.Errorf("expected an object, got %T", value)
		}
		found := object{}
		for _, field := range fields {
			one, there := given[field.name]
			if !there && !field.optional {
				return nil, fmt.Errorf("member %s is missing", field.name)
			}
			if !there {
				continue
			}
			var err error
			if found[field.name], err = field.read(one); err != nil {
				return nil, err
			}
		}
		if len(found) < len(given) {
			return nil, fmt.Errorf("a member is unknown")
		}
		return found, nil
	}
}

func must(name string, read read) field { return field{name, false, read} }
func may(name string, read read) field  { return field{name, true, read} }

func asserted(value read) read { return shape(must("value", value), must("source", source)) }

func vector() read {
	var fields []field
	for _, category := range categories {
		fields = append(fields, may(category, integer(-128, 127)))
	}
	return shape(fields...)
}

var vendor = map[string]read{
	"measres": orNull(word(fromList("success fail"))), "secboot": orNull(flag), "dbgstat": orNull(isString),
	"hwmodel": orNull(isString), "ueid": orNull(isString), "oemid": orNull(isString),
}

var ours = shape(
	must("ear_status", word(tiers)), must("ear_trustworthiness_vector", vector()),
	must("ear_appraisal_policy_ids", array(text)), may("eat_nonce", nonce),
)

// appraisal reads our own claims about a device, and NVIDIA's; others are ignored (draft-ietf-rats-ear-04 section 4).
func appraisal(value any) (any, error) {
	given, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("expected an object, got %T", value)
	}
	known, theirs := object{}, object{}
	for name, claim := range given {
		read, typed := vendor[name]
		switch {
		case typed:
			if _, err := read(claim); err != nil {
				return nil, err
			}
			theirs[name] = claim
		case strings.HasPrefix(name, "x-nvidia-"):
			theirs[name] = claim
		case oneOf(name, "ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "eat_nonce"):
			known[name] = claim
		}
	}
	if len(theirs) > 128 {
		return nil, fmt.Errorf("expected at most 128 vendor claims, got %d", len(theirs))
	}
	read, err := ours(known)
	if err != nil {
		return nil, err
	}
	read.(object)["vendor"] = theirs
	return read, nil
}

func submods(value any) (any, error) {
	given, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("expected an object, got %T", value)
	}
	found := object{}
	for name, one := range given {
		if _, err := text(name); err != nil {
			return nil, err
		}
		var err error
		if found[name], err = appraisal(one); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// audience is a string, or an array of 1 to 16 different ones (RFC 7519 section 4.1.3).
func audience(value any) (any, error) {
	if _, several := value.([]any); !several {
		value = []any{value}
	}
	names, err := array(text)(value)
	if err != nil {
		return nil, err
	}
	different := map[any]bool{}
	for _, name := range names.([]any) {
		different[name] = true
	}
	if count := len(names.([]any)); count < 1 || count > 16 || len(different) != count {
		return nil, fmt.Errorf("expected 1 to 16 different names, got %d names", count)
	}
	return names, nil
}

func isObject(value any) (any, error) {
	if given, ok := value.(object); ok {
		return given, nil
	}
	return nil, fmt.Errorf("expected an object, got %T", value)
}

// In the order in which the Rust crate reads them.
var claimFields = []field{
	must("iss", text), must("sub", text), must("aud", audience), must("iat", number), must("nbf", number),
	may("exp", number), must("jti", text), must("cnf", shape(must("jkt", thumbprint))), must("eat_nonce", nonce),
	must("ear_verifier_id", shape(must("developer", text), must("build", text))),
	must("ear_status", word(tiers)), must("submods", submods), must("pogw", isObject),
}

var workFields = []field{
	must("job_digest", digest),
	may("kernel", shape(must("name", text), must("digest", digest))),
	may("program", asserted(shape(must("name", text), must("blake3", digest), must("exit_code", integer(0, 255))))),
	may("executor", asserted(text)),
	may("module_digest", asserted(digest)),
	must("outputs", array(shape(must("name", text), must("len", number), must("blake3", digest)))),
	may("trace", shape(must("entries", number), must("blake3", digest))),
	must("devices", array(shape(must("id", text), must("submod", text), must("kind", word(fromList("gpu nvswitch cpu_tee"))),
		must("arch", text), must("simulated", flag)))),
	must("methods", array(shape(must("method", method), must("status", word(statuses)), must("source", source),
		may("log2_error", integer(-4096, 0)), may("wrong_ppm", integer(1, 1_000_000)),
		may("chain", shape(must("steps", integer(2, maxInteger)), must("points", integer(1, maxInteger)),
			must("drawn", integer(1, 1<<32-1)))),
		may("agreeing", integer(2, 8))))),
	must("assurance", shape(must("level", word(levels)), must("results", array(word(results))))),
	must("policy", shape(must("id", text), must("sha256", digest))),
	must("collateral", array(shape(must("id", text), must("sha256", digest), must("as_of", number)))),
	must("revocation", array(shape(must("chain", text), must("position", integer(0, 255)), must("subject", text),
		must("status", word(fromList("good on_hold revoked unknown not_checked"))), may("reason", text),
		may("sha256", digest), may("this_update", number), may("next_update", number)))),
	must("evidence_digest", digest),
	may("timings", shape(must("source", source), must("started_unix_ms", number), must("finished_unix_ms", number),
		may("device_ns", number))),
	must("as_of", number),
	may("batch", shape(must("root", digest), must("index", number), must("size", number), must("path", array(digest)))),
	may("log_index", number),
}

// readClaims ignores claims it does not know beside ours, and refuses them inside pogw.
func readClaims(payload object) (*Claims, error) {
	// Before anything else: the claims of another profile have another shape.
	profile, err := readFields("", payload, []field{must("eat_profile", isString)})
	if err != nil {
		return nil, err
	}
	if profile["eat_profile"] != Profile {
		return nil, reject("profile_mismatch", "eat_profile: expected %s, got %q", Profile, profile["eat_profile"])
	}
	found, err := readFields("", payload, claimFields)
	if err != nil {
		return nil, err
	}
	given := payload["pogw"].(object)
	work, err := readFields("pogw.", given, workFields)
	if err != nil {
		return nil, err
	}
	if unknown := namesBeside(given, work); len(unknown) > 0 {
		return nil, reject("claim_unknown", "claim pogw.%s is unknown", excerpt(unknown[0]))
	}
	found["pogw"] = work
	return typed(found)
}

func readFields(prefix string, given object, fields []field) (object, error) {
	found := object{}
	for _, field := range fields {
		value, there := given[field.name]
		if !there && field.optional {
			continue
		}
		if !there {
			return nil, reject("claim_missing", "claim %s%s is missing", prefix, field.name)
		}
		read, err := field.read(value)
		if err != nil {
			return nil, reject("claim_malformed", "claim %s%s: %v", prefix, field.name, err)
		}
		found[field.name] = read
	}
	return found, nil
}

func namesBeside(given, known object) []string {
	var names []string
	for name := range given {
		if _, is := known[name]; !is {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// typed goes through encoding/json with what has been read, so that its leniency has nothing to be lenient about.
func typed(found object) (*Claims, error) {
	data, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	claims := new(Claims)
	return claims, json.Unmarshal(data, claims)
}
