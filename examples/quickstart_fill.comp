/* SPDX-License-Identifier: MIT */
/*
 * Paints one texture of the gallery: colour in rgb, height in alpha. The seed chooses the motif, the
 * hue and the details, so that no two textures have a page in common.
 */
#version 450

layout(local_size_x = 16, local_size_y = 16) in;
layout(set = 0, binding = 0, rgba8) writeonly uniform image2D canvas;
layout(push_constant) uniform Push
{
	uint seed;
	uint size;
} push;

const float TAU = 6.28318531;

uint mixed(uint a)
{
	a ^= a >> 16;
	a *= 0x7feb352du;
	a ^= a >> 15;
	a *= 0x846ca68bu;
	return a ^ (a >> 16);
}

float lattice(ivec2 p)
{
	uint h = mixed(uint(p.x) + mixed(uint(p.y) + push.seed * 977u));

	return float(h >> 8) / 16777216.0;
}

float random(uint n)
{
	return float(mixed(push.seed * 131u + n) >> 8) / 16777216.0;
}

float noise(vec2 p)
{
	ivec2 i = ivec2(floor(p));
	vec2 f = smoothstep(0.0, 1.0, fract(p));
	float top = mix(lattice(i), lattice(i + ivec2(1, 0)), f.x);
	float bottom = mix(lattice(i + ivec2(0, 1)), lattice(i + ivec2(1, 1)), f.x);

	return mix(top, bottom, f.y);
}

float octaves(vec2 p, int n)
{
	float sum = 0.0, weight = 0.5;

	for (int i = 0; i < n; i++) {
		sum += weight * noise(p);
		p = mat2(1.6, 1.2, -1.2, 1.6) * p + 3.7;
		weight *= 0.5;
	}
	return sum;
}

/* Smooth escape time of z^2 + c, 0 to 1; 1 inside the set. */
float escape(vec2 z, vec2 c, int limit)
{
	int i = 0;

	while (i < limit && dot(z, z) < 256.0) {
		z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
		i++;
	}
	if (i == limit)
		return 1.0;
	return clamp((float(i) + 1.0 - log2(0.5 * log2(dot(z, z)))) / float(limit), 0.0, 1.0);
}

/* Just outside the main cardioid of the Mandelbrot set, where there is most to see. */
vec2 shore(uint n)
{
	float turn = TAU * (0.08 + 0.34 * random(n));
	vec2 once = vec2(cos(turn), sin(turn)), twice = vec2(cos(2.0 * turn), sin(2.0 * turn));

	return 1.02 * (0.5 * once - 0.25 * twice);
}

float julia(vec2 p)
{
	return sqrt(escape(2.6 * (p - 0.5), shore(1u), 96));
}

float mandelbrot(vec2 p)
{
	return sqrt(escape(vec2(0.0), shore(2u) + 0.15 * (p - 0.5), 128));
}

float marble(vec2 p)
{
	vec2 warp = vec2(octaves(3.0 * p, 5), octaves(3.0 * p + 17.0, 5));
	float veins = octaves(4.0 * p + 5.0 * warp, 7);

	return 0.5 + 0.5 * sin(14.0 * veins + 9.0 * p.x);
}

float cells(vec2 p)
{
	vec2 q = 14.0 * p;
	ivec2 home = ivec2(floor(q));
	float first = 9.0, second = 9.0;

	for (int k = 0; k < 9; k++) {
		ivec2 i = home + ivec2(k % 3 - 1, k / 3 - 1);
		vec2 seat = vec2(i) + vec2(lattice(i), lattice(i + 101));
		float d = distance(q, seat);

		second = min(second, max(first, d));
		first = min(first, d);
	}
	return clamp(0.25 + 0.9 * (second - first) + 0.3 * noise(60.0 * p), 0.0, 1.0);
}

float waves(vec2 p)
{
	float sum = 0.0;

	for (uint k = 0u; k < 5u; k++)
		sum += sin(90.0 * distance(p, vec2(random(10u + k), random(20u + k))));
	return 0.5 + 0.1 * sum;
}

float arcs(vec2 p)
{
	vec2 q = 12.0 * p, f = fract(q);

	if (lattice(ivec2(floor(q))) < 0.5)
		f.x = 1.0 - f.x;
	float d = min(abs(length(f) - 0.5), abs(length(1.0 - f) - 0.5));

	return 1.0 - smoothstep(0.06, 0.3, d) + 0.1 * noise(80.0 * p);
}

float motif(vec2 p)
{
	switch (push.seed % 6u) {
	case 0u:
		return julia(p);
	case 1u:
		return marble(p);
	case 2u:
		return mandelbrot(p);
	case 3u:
		return cells(p);
	case 4u:
		return arcs(p);
	default:
		return waves(p);
	}
}

void main()
{
	ivec2 at = ivec2(gl_GlobalInvocationID.xy);
	vec2 p = (vec2(at) + 0.5) / float(push.size);
	float height = clamp(motif(p), 0.0, 1.0);
	float grain = lattice(at) - 0.5;
	float hue = random(3u);
	vec3 bright = 0.62 + 0.3 * cos(TAU * (hue + 0.3 * height + vec3(0.0, 0.33, 0.67)));
	vec3 dark = 0.2 + 0.12 * cos(TAU * (hue + 0.55 + vec3(0.0, 0.33, 0.67)));
	vec3 colour = mix(dark, bright, smoothstep(0.05, 0.85, height));

	colour += 0.06 * grain;
	imageStore(canvas, at, vec4(clamp(colour, 0.0, 1.0), height));
}
