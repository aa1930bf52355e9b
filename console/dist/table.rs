// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-f80a1476d1b3.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "f80a1476d1b3e0e881535311c8077dbdc3180cba1055ccc7575920a142de843a",
        is_named_by_content: true,
        plain: include_bytes!("console-f80a1476d1b3.js"),
        brotli: include_bytes!("console-f80a1476d1b3.js.br"),
    },
    Asset {
        path: "console-31df610a8cad.css",
        media_type: "text/css; charset=utf-8",
        sha256: "31df610a8cad375c8f2879910aec9e1ec9c853945409e62aebe6f1fd6a61e746",
        is_named_by_content: true,
        plain: include_bytes!("console-31df610a8cad.css"),
        brotli: include_bytes!("console-31df610a8cad.css.br"),
    },
    Asset {
        path: "icon-784a4185d243.svg",
        media_type: "image/svg+xml",
        sha256: "784a4185d2436f82faab3c035c49a66a804c8baa0ac2c7259288ba24cc4bba5a",
        is_named_by_content: true,
        plain: include_bytes!("icon-784a4185d243.svg"),
        brotli: include_bytes!("icon-784a4185d243.svg.br"),
    },
    Asset {
        path: "licences-3484ec557e71.txt",
        media_type: "text/plain; charset=utf-8",
        sha256: "3484ec557e71cbf551f9809541abcb507a8075135a0550de419528fb49105c29",
        is_named_by_content: true,
        plain: include_bytes!("licences-3484ec557e71.txt"),
        brotli: include_bytes!("licences-3484ec557e71.txt.br"),
    },
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        sha256: "44df531e0d55d9fba8b284278408dc9113a9b9d7d60da454e760f3a996a54817",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
