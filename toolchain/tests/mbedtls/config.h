/* What the tests add to the configuration of the library: memory that can be counted. */
#pragma once
#define MBEDTLS_PLATFORM_MEMORY
