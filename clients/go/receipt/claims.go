package receipt

// Claims are what a receipt says, by the names on the wire. Optional members are pointers, nil where they are absent.
type Claims struct {
	Iss       string               `json:"iss"`
	Sub       string               `json:"sub"`
	Aud       []string             `json:"aud"`
	Iat       int64                `json:"iat"`
	Nbf       int64                `json:"nbf"`
	Exp       *int64               `json:"exp"`
	Jti       string               `json:"jti"`
	EatNonce  string               `json:"eat_nonce"`
	EarStatus string               `json:"ear_status"`
	Submods   map[string]Appraisal `json:"submods"`
	Pogw      Work                 `json:"pogw"`
}

// Appraisal is about one device.
type Appraisal struct {
	EarStatus string           `json:"ear_status"`
	Vector    map[string]int64 `json:"ear_trustworthiness_vector"`
	PolicyIDs []string         `json:"ear_appraisal_policy_ids"`
	EatNonce  *string          `json:"eat_nonce"`
	// Vendor has NVIDIA's own claims, which are flat beside ours on the wire.
	Vendor map[string]any `json:"vendor"`
}

// Work is the work and what is known about it.
type Work struct {
	JobDigest    string                         `json:"job_digest"`
	Kernel       *struct{ Name, Digest string } `json:"kernel"`
	Program      *Asserted                      `json:"program"`
	Executor     *Asserted                      `json:"executor"`
	ModuleDigest *Asserted                      `json:"module_digest"`
	Outputs      []Output                       `json:"outputs"`
	Devices      []Device                       `json:"devices"`
	Methods      []Finding                      `json:"methods"`
	Assurance    struct {
		Level   string   `json:"level"`
		Results []string `json:"results"`
	} `json:"assurance"`
	Collateral []any `json:"collateral"`
	Revocation []struct {
		Subject string `json:"subject"`
		Status  string `json:"status"`
	} `json:"revocation"`
	Timings *struct {
		Source   string `json:"source"`
		Started  int64  `json:"started_unix_ms"`
		Finished int64  `json:"finished_unix_ms"`
	} `json:"timings"`
	Batch *struct {
		Index int64    `json:"index"`
		Size  int64    `json:"size"`
		Path  []string `json:"path"`
	} `json:"batch"`
}

// Asserted is what only the host can say, and on whose word.
type Asserted struct {
	Value  any    `json:"value"`
	Source string `json:"source"`
}

// Output is one output: its length in bytes, and what b3sum prints for it.
type Output struct {
	Name   string `json:"name"`
	Len    int64  `json:"len"`
	Blake3 string `json:"blake3"`
}

// Device is one device, under a pseudonym.
type Device struct {
	ID        string `json:"id"`
	Submod    string `json:"submod"`
	Kind      string `json:"kind"`
	Arch      string `json:"arch"`
	Simulated bool   `json:"simulated"`
}

// Finding is one check: how it came out, on whose word, and how strong it is.
type Finding struct {
	Method    string `json:"method"`
	Status    string `json:"status"`
	Source    string `json:"source"`
	Log2Error *int64 `json:"log2_error"`
	WrongPPM  *int64 `json:"wrong_ppm"`
	Chain     *struct {
		Steps, Points, Drawn int64
	} `json:"chain"`
	Agreeing *int64 `json:"agreeing"`
}
