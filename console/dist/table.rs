// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-523dbd7452e7.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "523dbd7452e7f09be6d45fbc30f557b3412cd24ad4ac351acf7a3c0d7bbf72b4",
        is_named_by_content: true,
        plain: include_bytes!("console-523dbd7452e7.js"),
        brotli: include_bytes!("console-523dbd7452e7.js.br"),
    },
    Asset {
        path: "console-f90b06d3aa23.css",
        media_type: "text/css; charset=utf-8",
        sha256: "f90b06d3aa231c14c088442c0f0f97952c3caa9da1fc662e111b4c5d31b74c09",
        is_named_by_content: true,
        plain: include_bytes!("console-f90b06d3aa23.css"),
        brotli: include_bytes!("console-f90b06d3aa23.css.br"),
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
        sha256: "4908c9848c4bacbf17b5a0f819d0bcc3e56989fb45f6b2ac59b4005cbf8f9b8f",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
