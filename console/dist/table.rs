// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-24f45c81a0f0.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "24f45c81a0f0a84c9e4c98b032cb6833f30ef404b5e0b18c6d63c8a7a7bf0620",
        is_named_by_content: true,
        plain: include_bytes!("console-24f45c81a0f0.js"),
        brotli: include_bytes!("console-24f45c81a0f0.js.br"),
    },
    Asset {
        path: "console-c14ce4f9fa2c.css",
        media_type: "text/css; charset=utf-8",
        sha256: "c14ce4f9fa2ccba04de526c9adccc399a03233dcb0f0437f50245fca76f3beed",
        is_named_by_content: true,
        plain: include_bytes!("console-c14ce4f9fa2c.css"),
        brotli: include_bytes!("console-c14ce4f9fa2c.css.br"),
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
        sha256: "517cfa382a9264c901b94d17a6c995da0a9e89761b2424e215f314d4f28dacae",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
