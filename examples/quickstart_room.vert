/* SPDX-License-Identifier: MIT */
/* One triangle that covers the picture. */
#version 450

void main()
{
	vec2 at = vec2((gl_VertexIndex << 1) & 2, gl_VertexIndex & 2);

	gl_Position = vec4(2.0 * at - 1.0, 0.0, 1.0);
}
